"""Readers of routing traces, chosen by what is in the file, never by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.archive import LONE, Arrays, read_archive, read_head
from moe_cosim.workloads.routing.readers.expert_counts import from_expert_counts
from moe_cosim.workloads.routing.readers.json_lines import read_json_lines
from moe_cosim.workloads.routing.readers.layer_csv import HEADER, read_layer_csv
from moe_cosim.workloads.routing.readers.packed_text import is_packed
from moe_cosim.workloads.routing.readers.router_logits import from_router_logits
from moe_cosim.workloads.routing.readers.token_arrays import (
    from_own_format,
    from_routed_experts,
    from_token_arrays,
)
from moe_cosim.workloads.routing.readers.torch_dump import is_torch_dump, read_torch_dump
from moe_cosim.workloads.routing.token_trace import TokenTrace

__all__ = ["FORMATS", "read_trace"]

_FROM_ARRAYS: Final[dict[str, Callable[[Arrays, Path, int | None], TokenTrace]]] = {
    "moe-cosim": from_own_format,
    "token-arrays": from_token_arrays,
    "expert-counts": from_expert_counts,
    "router-logits": from_router_logits,
    "routed-experts": from_routed_experts,
}
_TELLING_ARRAY: Final = {
    "format": "moe-cosim",
    "logical_count": "expert-counts",
    "router_logits": "router-logits",
    "routed_experts": "routed-experts",
    "experts": "token-arrays",
}
"""The first of these arrays that is in a file tells its format."""

FORMATS: Final = ("auto", *_FROM_ARRAYS, "json-lines", "layer-csv")


def read_trace(path: Path, format_name: str = "auto", top_k: int | None = None) -> TokenTrace:
    """The trace in `path` (docs/routing.md lists the formats).

    `top_k` is the model's, needed for formats that do not say it (counts, logits). Raises
    `InputError` for a file that is not wholly what it should be; runs no code from it.
    """
    if format_name not in FORMATS:
        raise InputError(path, "routing.format", format_name, FORMATS)
    head = read_head(path)
    if format_name == "layer-csv" or (format_name == "auto" and head.startswith(HEADER)):
        return read_layer_csv(path, top_k)
    if format_name == "json-lines" or (format_name == "auto" and _is_text(head)):
        return read_json_lines(path)
    arrays = read_torch_dump(path) if is_torch_dump(path) else read_archive(path)
    if LONE in arrays:
        arrays = _named(arrays[LONE], path, format_name, top_k)
    if format_name == "auto":
        format_name = next((name for array, name in _TELLING_ARRAY.items() if array in arrays), "")
        if not format_name:
            raise InputError(path, "arrays", Plain(", ".join(arrays) or "none"), _TELLING_ARRAY)
    return _FROM_ARRAYS[format_name](arrays, path, top_k)


def _is_text(head: bytes) -> bool:
    return is_packed(head) or head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def _named(array: NDArray[Any], path: Path, format_name: str, top_k: int | None) -> Arrays:
    """A lone array under the name that tells what it holds: by the format asked for or, if it is left to us, by
    its type and whether its rows are as long as the model's `top_k`. Counts of one step may be [layers, experts]."""
    if format_name == "auto":
        if array.dtype.kind == "f":
            format_name = "router-logits"
        elif top_k is None and array.ndim == 3:
            found = Plain(f"integers of shape {array.shape} without a name")
            raise InputError(path, "routing.format", found, "expert-counts or routed-experts (or say the model)")
        else:
            ids = array.ndim == 3 and array.shape[2] == top_k
            format_name = "routed-experts" if ids else "expert-counts"
    name = next((name for name, told in _TELLING_ARRAY.items() if told == format_name), "")
    one_step = name == "logical_count" and array.ndim == 2
    return {name: array[np.newaxis] if one_step else array}
