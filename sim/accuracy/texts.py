"""Prompts and what follows them: windows of text files, as tokens of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.plain_file import read_plain

_TOKENIZERS: Final = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")
BYTES: Final = 256
"""Size of the vocabulary of a model that reads bytes."""
BETWEEN_DOCUMENTS: Final = b"\0"


@dataclass(frozen=True)
class Windows:
    """Stretches of text of one length, of which no two overlap."""

    tokens: NDArray[np.int64]
    """[windows, tokens]."""
    domains: tuple[str, ...]
    """Of each window: what its file is called."""

    @property
    def names(self) -> list[str]:
        """Domains, once each and in order."""
        return list(dict.fromkeys(self.domains))

    @property
    def numbers(self) -> NDArray[np.int64]:
        """[windows] the place of its domain among `names`."""
        place = {name: number for number, name in enumerate(self.names)}
        return np.array([place[name] for name in self.domains])


class Tokens:
    """How a model's folder writes text: bytes where its vocabulary is theirs, else by its own tokenizer."""

    def __init__(self, folder: Path, vocabulary: int) -> None:
        """Raises `InputError` for another vocabulary without a tokenizer."""
        self.folder, self.vocabulary = folder, vocabulary
        self._tokenizer: Any = None
        if any((folder / name).is_file() for name in _TOKENIZERS):
            from transformers import AutoTokenizer

            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        elif vocabulary != BYTES:
            allowed = f"a tokenizer ({' or '.join(_TOKENIZERS[:2])}), or the {BYTES} bytes as tokens"
            raise InputError(folder / "config.json", "vocab_size", Plain(f"{vocabulary} and no tokenizer"), allowed)

    def of(self, text: bytes) -> NDArray[np.int64]:
        """[tokens] of a text. Raises `InputError` for a tokenizer that knows tokens which the model does not."""
        if self._tokenizer is None:
            return np.frombuffer(text, np.uint8).astype(np.int64)
        written = text.decode(errors="replace")
        found = np.array(self._tokenizer(written, add_special_tokens=False)["input_ids"], np.int64)
        if found.size and found.max() >= self.vocabulary:
            allowed = f"tokens below {self.vocabulary}, the model's vocab_size"
            raise InputError(self.folder, "tokenizer", Plain(f"token {found.max()}"), allowed)
        return found


def windows(
    files: Sequence[Path], tokens: Tokens, length: int, each: int, seed: int, where: object = "text"
) -> Windows:
    """`each` windows of `length` tokens from each file, drawn with the seed; documents are parted by zero bytes.

    Raises `InputError` for no files (asked for as `where`), for one that cannot be read, for two of one name and for
    one with fewer windows.
    """
    if not files:
        raise InputError(where, "text", Plain("no files"), "at least one file of text")
    found: list[NDArray[np.int64]] = []
    domains: list[str] = []
    for file in files:
        domain = file.stem
        if domain in domains:
            raise InputError(file, "text", Plain(f"a second domain {domain}"), "files of different names")
        try:
            content = read_plain(file)
        except OSError as error:
            raise InputError(file, "text", what_failed(error), "a readable file") from None
        pieces = [
            document[start : start + length]
            for document in map(tokens.of, content.split(BETWEEN_DOCUMENTS))
            for start in range(0, len(document) - length + 1, length)
        ]
        if len(pieces) < each:
            found_here = Plain(f"{len(pieces)} stretches of {length} tokens")
            raise InputError(file, "text", found_here, f"{each}, as many as prompts are asked for")
        chosen = np.random.default_rng([seed, len(domains)]).choice(len(pieces), each, replace=False)
        found += [pieces[number] for number in sorted(chosen)]
        domains += [domain] * each
    return Windows(np.stack(found), tuple(domains))
