"""Tensors of float32 of a ``.gguf`` file, and nothing else of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads import gguf_header
from moe_cosim.workloads.gguf_header import read_header
from moe_cosim.workloads.routing.readers.containers.arrays import Arrays

MAGIC: Final = gguf_header.MAGIC
_FLOAT32: Final = 0


def read_gguf(path: Path, where: Path) -> Arrays:
    """Tensors of any shape by name, rows first; those of other types are left out. `InputError` calls the file
    `where`.
    """
    try:
        header = read_header(path)
    except InputError as error:
        raise error.at(where) from None
    found: Arrays = {}
    size = path.stat().st_size
    with path.open("rb") as file:
        for tensor in header.tensors:
            if tensor.type != _FLOAT32:
                continue
            start, length = header.data_start + tensor.offset, 4 * math.prod(tensor.shape)
            if start + length > size:
                shown = Plain(f"{length} bytes of {tensor.name} from byte {start} on")
                raise InputError(where, "tensors", shown, f"data within the {size} bytes of the file")
            file.seek(start)
            found[tensor.name] = np.frombuffer(file.read(length), "<f4").reshape(tensor.shape[::-1])
    return found
