"""Readers of routing traces, chosen by what is in the file, never by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.archive import Arrays, read_archive, read_head
from moe_cosim.workloads.routing.readers.expert_counts import from_expert_counts
from moe_cosim.workloads.routing.readers.json_lines import read_json_lines
from moe_cosim.workloads.routing.readers.router_logits import from_router_logits
from moe_cosim.workloads.routing.readers.token_arrays import from_own_format, from_token_arrays
from moe_cosim.workloads.routing.readers.torch_dump import is_torch_dump, read_torch_dump
from moe_cosim.workloads.routing.token_trace import TokenTrace

__all__ = ["FORMATS", "read_trace"]

_FROM_ARRAYS: Final[dict[str, Callable[[Arrays, Path, int | None], TokenTrace]]] = {
    "moe-cosim": from_own_format,
    "token-arrays": from_token_arrays,
    "expert-counts": from_expert_counts,
    "router-logits": from_router_logits,
}
_TELLING_ARRAY: Final = {
    "format": "moe-cosim",
    "logical_count": "expert-counts",
    "router_logits": "router-logits",
    "experts": "token-arrays",
}
"""The first of these arrays that is in a file tells its format."""

FORMATS: Final = ("auto", *_FROM_ARRAYS, "json-lines")


def read_trace(path: Path, format_name: str = "auto", top_k: int | None = None) -> TokenTrace:
    """The trace in `path` (docs/routing.md lists the formats).

    `top_k` is the model's, needed for formats that do not say it (counts, logits). Raises
    `InputError` for a file that is not wholly what it should be; runs no code from it.
    """
    if format_name not in FORMATS:
        raise InputError(path, "routing.format", format_name, FORMATS)
    head = read_head(path)
    if format_name == "json-lines" or (format_name == "auto" and head.lstrip()[:1] == b"{"):
        return read_json_lines(path)
    arrays = read_torch_dump(path) if is_torch_dump(path) else read_archive(path)
    if format_name == "auto":
        format_name = next((name for array, name in _TELLING_ARRAY.items() if array in arrays), "")
        if not format_name:
            raise InputError(path, "arrays", Plain(", ".join(arrays) or "none"), _TELLING_ARRAY)
    return _FROM_ARRAYS[format_name](arrays, path, top_k)
