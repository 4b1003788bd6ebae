"""Traces and loss tables that are not whole, or of another model: one line, exit code 2."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.sim.tiny import Tiny, cli, refused

ROUTING = "{source: generator, preset: mixtral-8x7b}"


Spoil = Callable[[Tiny, Path], object]


def _arrays(**arrays: object) -> Spoil:
    """A file of plain arrays: four tokens unless told otherwise."""
    whole = {"experts": np.tile(np.array([0, 1], np.uint16), (4, 2, 1)), "offsets": np.array([0, 4])}
    left = {name: value for name, value in {**whole, **arrays}.items() if value is not None}
    return lambda tiny, path: np.savez(path, **left)


def _cut(share: float) -> Spoil:
    def spoil(tiny: Tiny, path: Path) -> None:
        whole = tiny.write_trace(path.name).read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])

    return spoil


def _flip(tiny: Tiny, path: Path) -> None:
    """One byte of the experts' numbers, which the archive has a checksum of."""
    whole = bytearray(tiny.write_trace(path.name).read_bytes())
    whole[whole.index(b"experts.npy") + 60] ^= 0xFF
    path.write_bytes(whole)


TRACES: dict[str, tuple[Spoil, str]] = {
    "missing": (lambda tiny, path: None, "found nothing there"),
    "folder": (lambda tiny, path: path.mkdir(), "folder: found no files"),
    "empty": (lambda tiny, path: path.write_bytes(b""), "an empty file"),
    "blank lines": (lambda tiny, path: path.write_text("\n\n"), "nothing but white space"),
    "cut early": (_cut(0.05), "file: found"),
    "cut late": (_cut(0.95), "file: found"),
    "a byte turned": (_flip, "found"),
    "pickle": (lambda tiny, path: path.write_bytes(pickle.dumps([1])), "a bare pickle, which could run code"),
    "pickled array": (_arrays(experts=np.array([{"a": 1}], dtype=object)), "allow_pickle"),
    "other layers": (lambda tiny, path: tiny.write_trace(path.name, layers=3), "layers: found 3; allowed: 2"),
    "other experts": (
        lambda tiny, path: tiny.write_trace(path.name, experts=8),
        "experts: found 8; allowed: 4",
    ),
    "other top-k": (lambda tiny, path: tiny.write_trace(path.name, k=3), "per token: found 3; allowed: 2"),
    "no tokens": (_arrays(experts=np.zeros((0, 2, 2), np.uint16)), "at least one token"),
    "negative ids": (_arrays(experts=np.full((4, 2, 2), -1)), "ids from 0"),
    "an expert twice": (_arrays(experts=np.zeros((4, 2, 2), np.uint16)), "an expert twice"),
    "NaN": (_arrays(weights=np.full((4, 2, 2), np.nan, np.float32)), "weights: found NaN"),
    "weights of another shape": (_arrays(weights=np.ones((4, 2, 1), np.float32)), "weights: found shape"),
    "documents past the end": (_arrays(offsets=np.array([0, 9])), "offsets: found"),
    "no documents": (_arrays(offsets=None), "offsets: found no such array"),
    "other arrays": (_arrays(experts=None, offsets=None, x=np.ones(3)), "arrays: found x"),
}


@pytest.mark.parametrize(("spoil", "said"), TRACES.values(), ids=TRACES)
def test_a_trace_that_is_not_whole_or_not_the_model_s(tiny: Tiny, spoil: Spoil, said: str) -> None:
    path = tiny.folder / "trace.npz"
    spoil(tiny, path)
    tiny.write((ROUTING, "{source: trace, file: trace.npz}"))
    line = refused(tiny)
    assert line.startswith(f"{path}: ")
    assert said in line


def test_options_of_a_trace(tiny: Tiny) -> None:
    tiny.write_trace()
    for options, field in (("", "file"), (", file: 3", "file"), (", file: trace.npz, format: npz", "format")):
        tiny.write((ROUTING, f"{{source: trace{options}}}"))
        assert refused(tiny).startswith(f"{tiny.path}: routing.{field}: found ")


def _losses(**changes: object) -> Spoil:
    whole = {"bits": np.array([1, 2, 3, 4]), "loss": np.tile(np.array([4.0, 3, 2, 1]), (2, 4, 1))}
    return lambda tiny, path: np.savez(path, **{**whole, **changes})


def _wrong(value: float) -> np.ndarray:
    loss = np.tile(np.array([4.0, 3, 2, 1]), (2, 4, 1))
    loss[1, 2, 3] = value
    return loss


LOSSES: dict[str, tuple[Spoil, str]] = {
    "cut": (
        lambda tiny, path: (_losses()(tiny, path), path.write_bytes(path.read_bytes()[:-40])),
        "File is not a zip file",
    ),
    "empty": (lambda tiny, path: path.write_bytes(b""), "File is not a zip file"),
    "pickled": (_losses(bits=np.array([None])), "allow_pickle"),
    "NaN": (_losses(loss=_wrong(np.nan)), "loss of layer 1, expert 2, 4 bits: found nan"),
    "negative": (_losses(loss=_wrong(-1)), "loss of layer 1, expert 2, 4 bits: found -1.0"),
    "rising": (_losses(loss=_wrong(9)), "loss of layer 1, expert 2, 4 bits: found 9.0"),
    "of another model": (_losses(loss=np.ones((1, 4, 4))), "found 1 layers of 4 experts"),
}


@pytest.mark.parametrize(("spoil", "said"), LOSSES.values(), ids=LOSSES)
def test_a_loss_table_that_cannot_be(tiny: Tiny, spoil: Spoil, said: str) -> None:
    path = tiny.folder / "losses.npz"
    spoil(tiny, path)
    tiny.write(("policy:", "quantization: {average_bits: 3, losses: losses.npz}\npolicy:"))
    line = refused(tiny)
    assert line.startswith(f"{path}: ")
    assert said in line


def test_a_loss_table_without_a_width_is_refused(tiny: Tiny) -> None:
    _losses(bits=np.array([1, 2, 3, 5]))(tiny, tiny.folder / "losses.npz")
    tiny.write(("policy:", "quantization: {average_bits: 3, losses: losses.npz}\npolicy:"))
    assert "a table that has 1, 2, 3, 4 bits" in refused(tiny)


def test_the_experiment_that_the_others_are_broken_copies_of(tiny: Tiny) -> None:
    tiny.write_trace()
    _losses()(tiny, tiny.folder / "losses.npz")
    tiny.write(
        (ROUTING, "{source: trace, file: trace.npz}"),
        ("policy:", "quantization: {average_bits: 3, losses: losses.npz}\npolicy:"),
    )
    assert cli("run", tiny.path).exit_code == 0
