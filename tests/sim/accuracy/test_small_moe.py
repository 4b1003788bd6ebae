"""What the small model is made of: its corpus, and the 4-gram model that it has to beat."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "small_moe"


def loaded(name: str) -> ModuleType:
    """A script of that folder."""
    spec = importlib.util.spec_from_file_location(f"small_moe_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def corpus() -> ModuleType:
    return loaded("corpus")


@pytest.fixture(scope="module")
def ngram() -> ModuleType:
    return loaded("ngram")


def chance(text: bytes, history: bytes, byte: int) -> float:
    """p(byte | history) by the formula, counting as one would by hand."""
    shorter = 1 / 256 if not history else chance(text, history[1:], byte)
    size = len(history)
    follow = [text[at + size] for at in range(len(text) - size) if text[at : at + size] == history]
    return (follow.count(byte) + len(set(follow)) * shorter) / (len(follow) + len(set(follow))) if follow else shorter


def test_grams_have_the_chances_of_their_formula(ngram: ModuleType) -> None:
    text, asked = b"abracadabra abraham \xff\x00\xff", b"cadabraz\xff\x00"
    grams = ngram.ByteGrams(np.frombuffer(text, np.uint8))
    bits = grams.bits(np.frombuffer(asked, np.uint8))
    byhand = [-math.log2(chance(text, asked[max(0, at - 3) : at], byte)) for at, byte in enumerate(asked)]
    assert bits == pytest.approx(byhand)


def test_grams_are_chances_over_all_bytes(ngram: ModuleType) -> None:
    grams = ngram.ByteGrams(np.frombuffer(b"the theme then there", np.uint8))
    rows = [np.frombuffer(b"the" + bytes([last]), np.uint8) for last in range(256)]
    assert sum(2 ** -grams.bits(row)[-1] for row in rows) == pytest.approx(1)


def package(root: Path) -> Path:
    for number in range(30):
        path = root / "usr" / f"{number}.h"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"/* {number} */\n\n".encode() * 150)
    (root / "usr" / "index.h").write_bytes(b"binary \0" * 500)
    (root / "usr" / "short.h").write_bytes(b"int a;\n")
    return root


def test_the_same_files_give_the_same_corpus(corpus: ModuleType, tmp_path: Path) -> None:
    domain = corpus.Domain("headers", "package", "usr/*.h")
    roots = {"package": (package(tmp_path / "root"), "1.0")}
    first, second = (corpus.build(tmp_path / name, roots, [domain]) for name in ("a", "b"))
    assert first == second
    told = first["domains"]["headers"]
    assert (told["train"]["documents"], told["held-out"]["documents"]) == (27, 3)
    train, held_out = ((tmp_path / "a" / f"headers.{part}").read_bytes().split(b"\0") for part in corpus.PARTS)
    assert not set(train) & set(held_out)


def test_long_files_are_cut_at_blank_lines_and_nothing_is_lost(corpus: ModuleType) -> None:
    content = b"".join(b"line %d\n\n" % number for number in range(100))
    pieces = list(corpus.pieces(content, 64))
    assert b"".join(pieces) == content
    assert all(len(piece) <= 64 for piece in pieces)
    assert all(piece.endswith(b"\n\n") for piece in pieces)
    assert list(corpus.pieces(b"x" * 100, 64)) == [b"x" * 64, b"x" * 36]
