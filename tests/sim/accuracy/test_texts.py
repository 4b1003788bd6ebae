"""Windows of text, and what is refused before a model is read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.accuracy.texts import Tokens, windows
from tests.sim.tiny import MODEL, cli


def text(folder: Path, name: str, *documents: bytes) -> Path:
    path = folder / name
    path.write_bytes(b"\0".join(documents))
    return path


def test_windows_are_whole_pieces_of_single_documents(tmp_path: Path) -> None:
    documents = [bytes([97 + number]) * 50 for number in range(4)]
    files = [text(tmp_path, "a.txt", *documents), text(tmp_path, "b.txt", *documents[:2])]
    found = windows(files, Tokens(tmp_path, 256), 20, 3, 0)
    assert found.tokens.shape == (6, 20)
    assert all(len(set(row)) == 1 for row in found.tokens.tolist())
    assert (found.domains, found.names) == (("a",) * 3 + ("b",) * 3, ["a", "b"])
    assert found.numbers.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.array_equal(found.tokens, windows(files, Tokens(tmp_path, 256), 20, 3, 0).tokens)


def test_texts_that_are_too_short_or_not_there_are_refused(tmp_path: Path) -> None:
    short, tokens = text(tmp_path, "a.txt", b"x" * 50), Tokens(tmp_path, 256)
    for files, said in (
        ([short], "found 2 stretches of 20 tokens; allowed: 3"),
        ([tmp_path / "none.txt"], "found nothing there"),
        ([short, text(tmp_path, "a.md", b"")], "found"),
        ([], "found no files"),
    ):
        with pytest.raises(InputError, match=said):
            windows(files, tokens, 20, 3, 0)


def test_a_vocabulary_that_is_not_bytes_needs_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vocab_size: found 1000 and no tokenizer"):
        Tokens(tmp_path, 1000)


def test_bad_questions_are_one_line(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    some = text(tmp_path, "a.txt", b"x" * 5000)
    asked = ("--text", some, "--calibration", some)
    (tmp_path / "empty").mkdir()
    (model / "config.json").write_text(json.dumps(MODEL))
    for arguments, said in (
        ((tmp_path / "empty", "cxl-ndp-mixtral-8x7b-2bit", *asked), "empty: folder: found no config.json"),
        ((model, "monde-mixtral-8x7b", *asked), "policy: found monde, which keeps one precision"),
        ((model, "no-such-experiment", *asked), "experiment: found no such file or name"),
    ):
        found = cli("accuracy", *arguments)
        assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1)
        assert said in found.stderr
