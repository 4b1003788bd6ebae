"""Digests of documents and files."""

from __future__ import annotations

import hashlib
import json
import os
from functools import lru_cache
from typing import Any, Final

ID_DIGITS: Final = 32
SOURCE_DIGITS: Final = 16
_HEADER_BYTES: Final = 1 << 26
"""No header of a ``.gguf`` file that is read is longer (`moe_cosim.workloads.gguf_header`)."""


_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(document: Any) -> str:
    """JSON with sorted keys and no spaces: the same text for equal documents."""
    return _ENCODER.encode(document)


def digest(document: Any, digits: int = ID_DIGITS) -> str:
    """The first hexadecimal digits of the SHA-256 of a document."""
    return digest_of_text(canonical(document), digits)


def digest_of_text(text: str, digits: int = ID_DIGITS) -> str:
    """The same of a document that is `canonical` already."""
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def file_digest(path: str) -> str:
    """SHA-256 of a file (of a ``.gguf``: of its header and size), remembered until its size or time of change differs.
    Raises `OSError`."""
    found = os.stat(path)
    return _file_digest(path, found.st_size, found.st_mtime_ns, found.st_ino)


@lru_cache(maxsize=4096)
def _file_digest(path: str, size: int, changed_ns: int, inode: int) -> str:
    with open(path, "rb") as file:
        if path.endswith(".gguf"):  # a model by its header, and behind it what may be hundreds of gigabytes
            return hashlib.sha256(file.read(_HEADER_BYTES) + b"%d" % size).hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()
