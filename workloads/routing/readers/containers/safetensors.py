"""Tensors of a ``.safetensors`` file: a length, a header of JSON, the bytes (its format is that of the library)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.arrays import Arrays, from_half_brain

_MOST_HEADER: Final = 10**8
"""Bytes, as the library allows."""
_DTYPES: Final = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "bf16", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


def is_safetensors(head: bytes) -> bool:
    """By the first bytes: a length that may be, and the beginning of a JSON object."""
    return len(head) > 8 and 2 <= int.from_bytes(head[:8], "little") <= _MOST_HEADER and head[8:9] == b"{"


def read_safetensors(path: Path, where: Path) -> Arrays:
    """Every tensor, of any shape. Nothing is read beyond the bytes that the file has; `InputError` calls the file
    `where`.
    """
    allowed = "a whole .safetensors file"
    with path.open("rb") as file:
        size = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(length)) if length <= size else None
        except (ValueError, RecursionError):
            header = None
        if not isinstance(header, dict):
            raise InputError(where, "header", Plain("no JSON of the length that is said"), allowed)
        found: Arrays = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            try:
                dtype, shape, (first, last) = entry["dtype"], [int(n) for n in entry["shape"]], entry["data_offsets"]
                if not 0 <= first <= last <= size - 8 - length:
                    raise ValueError
                file.seek(8 + length + first)
                data = file.read(last - first)
                kind = _DTYPES[dtype]
                array = from_half_brain(data) if kind == "bf16" else np.frombuffer(data, kind)
                found[name] = array.reshape(shape)
            except (ValueError, TypeError, KeyError, OverflowError):
                raise InputError(where, f"tensor {name}", Plain(str(entry)), allowed) from None
    return found
