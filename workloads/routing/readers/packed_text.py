"""Text of a trace, unpacked while it is read. How it is packed is told by its first bytes, never by its name."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import Final, TextIO

from moe_cosim.errors import InputError, Plain

_GZIP: Final = b"\x1f\x8b"
_XZ: Final = b"\xfd7zXZ\x00"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


def open_text(path: Path) -> TextIO:
    """The lines of `path`, plain or packed by gzip or xz, with or without a byte order mark.

    Raises `InputError` for what cannot be unpacked here; reading may raise `OSError`, `EOFError`,
    `UnicodeDecodeError`, `lzma.LZMAError` or `zlib.error`.
    """
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(_ZSTD):
        raise InputError(path, "file", Plain("text packed by zstd"), "plain text, gzip or xz (unpack it: zstd -d)")
    if head.startswith(_GZIP):
        return gzip.open(path, "rt", encoding="utf-8-sig")
    if head.startswith(_XZ):
        return lzma.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def is_packed(head: bytes) -> bool:
    """Whether a file that begins like this is packed as a whole."""
    return head.startswith((_GZIP, _XZ, _ZSTD))
