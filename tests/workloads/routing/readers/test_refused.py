"""Bad traces are refused with one line that says what is wrong."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.routing import RoutingShape, read_trace, routing_source
from tests.workloads.routing.traces import EXPERTS, LAYERS, K, arrays_of, example, run, write


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": 4}, "layers: found 3; allowed: 4"),
        ({"experts": 16}, "experts: found 8; allowed: 16"),
        ({"experts": 7}, "experts: found 8; allowed: 7"),
        ({"top_k": 3}, "experts per token: found 2; allowed: 3"),
    ],
)
def test_trace_of_another_model_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    example().save(tmp_path / "t.npz")
    values = {"layers": LAYERS, "experts": EXPERTS, "top_k": K} | change
    with pytest.raises(InputError, match=message):
        run(tmp_path / "t.npz", RoutingShape(**values, sequences=1, prompt_tokens=2, output_tokens=2))


def bad(**changes: object) -> dict[str, np.ndarray]:
    values = arrays_of(example()) | {"format": np.array("moe-cosim routing trace"), "version": np.array(1)} | changes
    return {key: value for key, value in values.items() if value is not None}  # type: ignore[misc]


TWICE = np.zeros((82, LAYERS, K), np.uint16)
NAN = np.full((82, LAYERS, K), np.nan, np.float32)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (bad(experts=None), "experts: found no such array"),
        (bad(offsets=None), "offsets: found no such array"),
        (bad(version=np.array(2)), "version: found 2; allowed: 1"),
        (bad(format=np.array("another")), "format: found 'another'"),
        (bad(experts=np.zeros((0, LAYERS, K), np.uint16)), "at least one token"),
        (bad(experts=TWICE), "twice in one token"),
        (bad(experts=TWICE.astype(np.float32)), "experts.*integers"),
        (bad(experts=TWICE.astype(np.int64) - 1), "ids from 0 to 65535"),
        (bad(experts=TWICE[:, 0]), "experts.*3-d"),
        (bad(weights=NAN), "weights.*NaN"),
        (bad(weights=-np.ones_like(NAN)), "weights.*0 or more"),
        (bad(weights=np.ones((5, LAYERS, K), np.float32)), "weights.*shape"),
        (bad(weights=TWICE), "weights.*numbers"),
        (bad(offsets=np.array([0, 30, 30, 82])), "offsets"),
        (bad(offsets=np.array([0, 83])), "offsets"),
        (bad(offsets=np.array([5, 82])), "offsets"),
        (bad(offsets=np.array([0.0, 82.0])), "offsets"),
        (bad(num_experts=np.array(5)), "ids from 0 to 4"),
        (bad(prompt_tokens=np.array([1])), "prompt_tokens"),
        (bad(prompt_tokens=np.array([1, 2, -3])), "prompt_tokens"),
        (bad(domains=np.array(["a"])), "domains"),
        (bad(domains=np.array(["a", "b", "c"], dtype=object)), "pickled"),
        ({"something": np.zeros(3)}, "arrays: found something"),
    ],
)
def test_bad_archives_are_refused(tmp_path: Path, arrays: dict, message: str) -> None:
    path = write(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError, match=message) as caught:
        read_trace(path)
    assert "bad.npz" in str(caught.value)


GOOD_LINE = '{"layer": 0, "token": 0, "experts": [1, 2]}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1.*not JSON"),
        (f"{GOOD_LINE}\n[1]", "line 2"),
        ('{"layer": 0, "token": 0, "experts": [1, 2], "extra": 1}', "line 1"),
        ('{"layer": -1, "token": 0, "experts": [1, 2]}', "whole numbers"),
        ('{"token": 0, "experts": [1, 2]}', "whole numbers"),
        ('{"layer": 0, "token": 0, "experts": []}', "experts"),
        ('{"layer": 0, "token": 0, "experts": [1, 70000]}', "experts"),
        ('{"layer": 0, "token": 0, "experts": [1, 1]}', "twice in one token"),
        ('{"layer": 0, "token": 0, "experts": [1, 2], "weights": [1, NaN]}', "weights"),
        ('{"layer": 0, "token": 0, "experts": [1, 2], "weights": [1]}', "weights"),
        (f"{GOOD_LINE}\n{GOOD_LINE}", "line 2.*twice"),
        (f'{GOOD_LINE}\n{{"layer": 0, "token": 1, "experts": [1]}}', "2 experts"),
        (f'{GOOD_LINE}\n{{"layer": 0, "token": 1, "experts": [1, 2], "weights": [1, 2]}}', "all lines or on none"),
        (f'{GOOD_LINE}\n{{"layer": 1, "token": 1, "experts": [1, 2]}}', "token 0 layer 1"),
    ],
)
def test_bad_json_lines_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_trace(path)


def test_broken_files_are_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.npz", **arrays_of(example())).read_bytes()
    for name, content in {
        "truncated": whole[: len(whole) // 2],
        "damaged": whole[:200] + b"\xff" * 200 + whole[400:],
        "empty": b"",
        "other": b"not a trace",
        "pickle": pickle.dumps({"experts": [1]}),
        "short npy": b"\x93NUMPY\x01\x00",
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError, match=name):
            read_trace(path)
    with pytest.raises(InputError, match="nothing there"):
        read_trace(tmp_path / "absent.npz")
    with pytest.raises(InputError, match=r"routing\.format"):
        read_trace(tmp_path / "whole.npz", "csv")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"source": "trace"}, "routing.file"),
        ({"source": "trace", "file": 3}, "routing.file"),
        ({"source": "trace", "file": "a.npz", "format": "csv"}, "routing.format"),
        ({"source": "trace", "file": "a.npz", "seed": 3}, "routing.seed"),
    ],
)
def test_bad_options_name_the_field(options: dict, field: str) -> None:
    with pytest.raises(InputError, match=f"experiment.yaml: {field}"):
        routing_source(options, "experiment.yaml")
