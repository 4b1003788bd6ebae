"""Files compressed as a whole. How is told by their first bytes, never by their name.

What they hold is unpacked while it is read, and never to more than `_MOST_RATIO` times their size.
"""

from __future__ import annotations

import gzip
import io
import lzma
import tempfile
import zlib
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final, cast

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.plain_file import check_plain

_MAGIC: Final = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_FREE: Final = 2**28
"""Bytes that any file may become."""
_MOST_RATIO: Final = 2000
_PIECE: Final = 2**20


def packing_of(head: bytes) -> str | None:
    """How a file that begins like this is compressed."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def open_unpacked(path: Path) -> IO[bytes]:
    """The bytes of `path`, unpacked if they are packed.

    Raises `InputError` for a file that cannot be read or unpacked here, or holds far more than its size, if not now
    then while it is read.
    """
    file: IO[bytes] | None = None
    try:
        check_plain(path)
        file = path.open("rb")
        packing = packing_of(file.read(8))
        file.seek(0)
        if packing is None:
            return file
        most = max(_FREE, _MOST_RATIO * path.stat().st_size)
        return io.BufferedReader(_Unpacked(_unpacker(file, packing, path), most, path, packing), _PIECE)
    except OSError as error:
        raise InputError(path, "file", what_failed(error), "a readable routing trace") from None


def unpacked_copy(path: Path) -> IO[bytes]:
    """All of it in a temporary file that vanishes when it is closed: for readers that go back and forth. Raises
    `InputError` where there is no room for it.
    """
    copy = tempfile.NamedTemporaryFile(prefix="moe-cosim-")  # noqa: SIM115 - the caller's to close
    with open_unpacked(path) as file:
        try:
            while piece := file.read(_PIECE):
                copy.write(piece)
            copy.flush()
        except OSError as error:
            raise InputError(
                path, "file", Plain(f"no room to unpack it ({error.strerror})"), "an unpacked file"
            ) from None
    return cast(IO[bytes], copy)


def _unpacker(file: IO[bytes], packing: str, path: Path) -> Any:
    if packing == "gzip":
        return gzip.GzipFile(fileobj=file)
    if packing == "xz":
        return lzma.LZMAFile(file)
    for module, call in (("compression.zstd", "ZstdFile"), ("zstandard", "open")):
        try:
            return getattr(import_module(module), call)(file)
        except ImportError:
            continue
    allowed = "zstandard installed (pip install 'moe-cosim[traces]'), Python 3.14, or the file unpacked (zstd -d)"
    raise InputError(path, "file", Plain("a file packed by zstd, and nothing that unpacks it"), allowed)


class _Unpacked(io.RawIOBase):
    """A stream of what is unpacked, with errors in words and an end to what it may hold."""

    def __init__(self, source: Any, most: int, path: Path, packing: str) -> None:
        self._source, self._left, self._path, self._packing = source, most, path, packing

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._source.read(len(buffer))
        except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error, RuntimeError) as error:
            raise self._refusal(f"{self._packing} that ends early or is damaged ({error})") from None
        except Exception as error:  # zstandard has an error of its own, whose module may not be here
            if type(error).__module__.partition(".")[0] not in ("zstd", "zstandard", "compression", "_zstd"):
                raise
            raise self._refusal(f"{self._packing} that ends early or is damaged ({error})") from None
        self._left -= len(piece)
        if self._left < 0:
            raise self._refusal(f"far more than {_MOST_RATIO} times its size inside")
        buffer[: len(piece)] = piece
        return len(piece)

    def _refusal(self, found: str) -> InputError:
        return InputError(self._path, "file", Plain(found), f"a whole {self._packing} file")

    def close(self) -> None:
        self._source.close()
        super().close()
