"""Tokens to calibrate on, cut into sequences of one length."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.extras import load
from moe_cosim.plain_file import read_plain
from moe_cosim.workloads.array_archive import read_npy
from moe_cosim.workloads.quantization.measuring.wanted import Wanted

_TOKENIZERS: Final = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json")
_BYTES: Final = 256


def calibration_tokens(wanted: Wanted, vocab: int) -> NDArray[np.int64]:
    """[sequences, tokens of one], as many as were asked for or, of a shorter file, as it has.

    The file holds token ids (``.npy``, whole numbers), text in lines of JSON (``.jsonl``, field ``text``), or text.
    Text goes through the folder's tokenizer, by transformers; in a folder without one, of a model of 256 tokens, its
    bytes are the tokens. Raises `InputError` for ids that the model lacks, and for fewer tokens than a group's weights.
    """
    assert wanted.calibration is not None
    path = wanted.calibration
    ids = _ids(path) if path.suffix == ".npy" else _of_text(path, _text(path), wanted.folder, vocab)
    length = min(wanted.sequence_tokens, len(ids))
    if len(ids) < wanted.group_size:
        raise InputError(path, "tokens", len(ids), f"at least {wanted.group_size}, as many as a group has weights")
    if int(ids.min()) < 0 or int(ids.max()) >= vocab:
        raise InputError(path, "tokens", Plain(f"ids {ids.min()} to {ids.max()}"), f"0 to {vocab - 1}")
    sequences = min(len(ids), wanted.tokens) // length
    return ids[: sequences * length].reshape(sequences, length)


def _ids(path: Path) -> NDArray[np.int64]:
    allowed = "an array of token ids, written by numpy.save"
    ids = read_npy(path, allowed)
    if ids.dtype.kind not in "iu" or ids.size == 0:
        raise InputError(path, "array", Plain(f"{ids.dtype} {list(ids.shape)}"), allowed)
    return ids.reshape(-1).astype(np.int64)


def _text(path: Path) -> str:
    try:
        text = read_plain(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "file", what_failed(error), "UTF-8 text, .jsonl, or token ids (.npy)") from None
    if path.suffix != ".jsonl":
        return text
    parts = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            parts.append(str(json.loads(line)["text"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(path, f"line {number}", Plain("no field 'text'"), "JSON objects with it") from None
    return "\n\n".join(parts)


def _of_text(path: Path, text: str, folder: Path, vocab: int) -> NDArray[np.int64]:
    if not any((folder / name).exists() for name in _TOKENIZERS):
        if vocab != _BYTES:
            raise InputError(folder, "tokenizer", Plain("none"), "a tokenizer in the folder, or token ids (.npy)")
        return np.frombuffer(text.encode(), np.uint8).astype(np.int64)
    auto = load("transformers", "calibration", "quantize").AutoTokenizer
    try:
        found = auto.from_pretrained(folder, local_files_only=True)(text, add_special_tokens=False)["input_ids"]
    except Exception as error:  # whatever a tokenizer's file makes a library of others raise
        raise InputError(
            folder, "tokenizer", Plain(f"{type(error).__name__}: {error}"), "one that can be read"
        ) from None
    return np.asarray(found, np.int64)
