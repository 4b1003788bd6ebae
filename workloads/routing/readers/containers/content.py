"""A file before its layout is told: how it is packed, and what can be seen of it. Read once, as it is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Final, Literal

import numpy as np

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.workloads.array_archive import read_npy, read_npz
from moe_cosim.workloads.routing.readers.containers.arrays import LONE, Arrays
from moe_cosim.workloads.routing.readers.containers.gguf import MAGIC as GGUF
from moe_cosim.workloads.routing.readers.containers.gguf import read_gguf
from moe_cosim.workloads.routing.readers.containers.json_document import read_json
from moe_cosim.workloads.routing.readers.containers.packed import open_unpacked, packing_of, unpacked_copy
from moe_cosim.workloads.routing.readers.containers.parquet import ParquetColumns
from moe_cosim.workloads.routing.readers.containers.safetensors import is_safetensors, read_safetensors
from moe_cosim.workloads.routing.readers.containers.torch_dump import is_torch_dump, read_torch_dump

Container = Literal[
    "folder",
    "npy",
    "npz",
    "torch",
    "safetensors",
    "gguf",
    "parquet",
    "json",
    "json-lines",
    "csv",
    "old-imatrix",
    "unknown",
]
_HEAD: Final = 2**16
_MOST_MEMBERS: Final = 4096
_NPY: Final = b"\x93NUMPY"
_ZIP: Final = b"PK\x03\x04"
_PARQUET: Final = b"PAR1"
_CSV: Final = re.compile(rb"\s*[a-z_]+\s*,\s*[a-z_]+\s*\n", re.IGNORECASE)
_DOCUMENT_KEY: Final = re.compile(rb'"(logical_count|records|router_logits|routed_experts|topk_ids_of_layer)"\s*:')
_OTHERS: Final = {
    b"\x80\x02": "a bare pickle, which could run code",
    b"\x80\x04": "a bare pickle, which could run code",
    b"\x80\x05": "a bare pickle, which could run code",
    b"\x89HDF": "HDF5",
    b"ARROW1": "an Arrow file",
}
_ARRAYS: Final = "a complete .npz or .npy of plain arrays (no pickled objects)"
_ALLOWED: Final = "a routing trace of a known format (moe-cosim list trace-formats)"


class Content:
    """What is in a file. Every property raises `InputError` where the file does not hold it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._copy: IO[bytes] | None = None
        self.head = b""
        self.packing: str | None = None
        if not path.is_dir():
            self._look()

    def _look(self) -> None:
        path = self.path
        with open_unpacked(path) as file:
            try:
                self.head = file.read(_HEAD)
            except OSError as error:
                raise InputError(path, "file", what_failed(error), "a readable routing trace") from None
        if not self.head:
            raise InputError(path, "file", Plain("an empty file"), "a routing trace")
        with path.open("rb") as file:
            self.packing = packing_of(file.read(8))

    @cached_property
    def container(self) -> Container:
        """How it is packed, by its first bytes; never by its name."""
        head = self.head
        if not head:
            return "folder"
        if head.startswith(_ZIP):
            return "torch" if is_torch_dump(self.file()) else "npz"
        for magic, name in ((_NPY, "npy"), (GGUF, "gguf"), (_PARQUET, "parquet")):
            if head.startswith(magic):
                return name  # type: ignore[return-value]
        if is_safetensors(head):
            return "safetensors"
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if text[:1] in (b"{", b"["):
            return "json" if _is_document(text) else "json-lines"
        if _CSV.match(text):
            return "csv"
        return "old-imatrix" if _is_old_imatrix(head) else "unknown"

    @cached_property
    def tree(self) -> Any:
        """Nested dictionaries, lists and tuples with arrays in them."""
        found = self.container
        if found == "torch":
            return read_torch_dump(self.file(), self.path)
        if found == "json":
            with self.open() as file:
                return read_json(file, self.path)
        if found == "npy":
            return read_npy(self.file(), _ARRAYS, self.path)
        if found == "npz":
            return read_npz(self.file(), _ARRAYS, where=self.path)
        if found == "safetensors":
            return read_safetensors(self.file(), self.path)
        if found == "gguf":
            return read_gguf(self.file(), self.path)
        return {}

    @cached_property
    def arrays(self) -> Arrays:
        """Those at the top of the tree, by name; a lone one is `LONE`, those of a list are called by their place. They
        have any shape.
        """
        tree = self.tree
        if isinstance(tree, np.ndarray):
            return {LONE: tree}
        if isinstance(tree, list | tuple):
            tree = {str(place): value for place, value in enumerate(tree)}
        found = (
            {str(name): value for name, value in tree.items() if isinstance(value, np.ndarray)}
            if isinstance(tree, Mapping)
            else {}
        )
        return {LONE: found["arr_0"]} if found.keys() == {"arr_0"} else found

    @cached_property
    def members(self) -> list[Content]:
        """Of a folder: its files in the order of the numbers in their names, hidden ones left out."""
        if self.container != "folder":
            return []
        names = [path for path in self.path.iterdir() if path.is_file() and not path.name.startswith(".")]
        if len(names) > _MOST_MEMBERS:
            raise InputError(self.path, "folder", Plain(f"{len(names)} files"), f"at most {_MOST_MEMBERS}")
        return [Content(path) for path in sorted(names, key=_by_number)]

    @cached_property
    def columns(self) -> ParquetColumns:
        """Of a Parquet file, read one by one."""
        return ParquetColumns(self.file(), self.path)

    def open(self) -> IO[bytes]:
        """Its bytes, unpacked, from the beginning."""
        return open_unpacked(self.path)

    def file(self) -> Path:
        """Where its unpacked bytes lie."""
        if self.packing is None:
            return self.path
        if self._copy is None:
            self._copy = unpacked_copy(self.path)
        return Path(self._copy.name)

    def refusal(self) -> InputError:
        """Of a file that no layout fits."""
        found = self.container
        if found == "folder":
            kinds = ", ".join(sorted({one.container for one in self.members})) or "no files"
            allowed = "a recording, or a folder of one file a layer (Parquet) or rank (safetensors)"
            return InputError(self.path, "folder", Plain(kinds), allowed)
        packed = f" (unpacked from {self.packing})" if self.packing else ""
        if found in ("npz", "torch", "safetensors", "json", "npy"):
            names = ", ".join(_described(name, array) for name, array in sorted(self.arrays.items())) or "none"
            return InputError(self.path, "arrays", Plain(f"{names}{packed}"), _ALLOWED)
        if found == "parquet":
            names = ", ".join(self.columns.names)
            return InputError(self.path, "columns", Plain(f"{names}{packed}"), "token, layer and experts; or indices")
        if found == "gguf":
            names = ", ".join(list(self.arrays)[:3]) or "no tensors"
            return InputError(self.path, "tensors", Plain(f"{names}{packed}"), "an imatrix: tensors NAME.counts")
        if found == "old-imatrix":
            written = "one written with --output-format gguf, which holds the counts of experts"
            return InputError(self.path, "file", Plain("an imatrix of the old kind, without counts"), written)
        kind = next((said for magic, said in _OTHERS.items() if self.head.startswith(magic)), None)
        if not self.head.strip():
            kind = "nothing but white space"
        said = kind or f"no trace: it begins {_shown(self.head)}"
        return InputError(self.path, "file", Plain(f"{said}{packed}"), _ALLOWED)


def _by_number(path: Path) -> tuple[list[int], str]:
    return [int(digits) for digits in re.findall(r"\d{1,18}", path.name)], path.name


def _is_document(text: bytes) -> bool:
    """One JSON value: the first line is none by itself, or one of a dump."""
    line, _, _ = text.partition(b"\n")
    try:
        first = json.loads(line)
    except (ValueError, RecursionError):
        return _DOCUMENT_KEY.search(text) is not None or line.rstrip() == b"["
    return isinstance(first, list) or (isinstance(first, dict) and _DOCUMENT_KEY.search(line) is not None)


def _is_old_imatrix(head: bytes) -> bool:
    """A count of entries, a length, a name of a tensor."""
    entries, length = int.from_bytes(head[:4], "little"), int.from_bytes(head[4:8], "little")
    return 0 < entries < 10**6 and 0 < length < 256 and head[8 : 8 + length].isascii() and head[8:12] == b"blk."


def _described(name: str, array: Any) -> str:
    return f"{'one without a name' if name == LONE else name} ({array.dtype} {list(array.shape)})"


def _shown(head: bytes) -> str:
    """Its first letters if it is text, else its first bytes in hexadecimal."""
    start = head[:16]
    return (
        repr(start.decode()) if start.isascii() and start.decode().isprintable() else f"with bytes {start[:8].hex(' ')}"
    )
