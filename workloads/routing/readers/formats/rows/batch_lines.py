"""JSON lines {layer, batch_id, topk_experts[, origin_rows]}: all tokens of a batch in one layer.

`topk_experts` [tokens][k]; `origin_rows` [tokens] says which sequence each is of; without it one sequence has them
all. A sequence's tokens are numbered in the order of the batches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.arrays import as_expert_ids
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.containers.packed import open_unpacked
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, trace_formats
from moe_cosim.workloads.routing.recorded.row_trace import RowTrace
from moe_cosim.workloads.routing.recorded.rows import MOST_NUMBER, Rows, RowSource

_FORM: Final = '{"layer": 0, "batch_id": 0, "topk_experts": [[3, 5], [1, 2]], "origin_rows": [0, 1]}'
_LONGEST_LINE: Final = 2**26


@trace_formats.register("batch-lines")
class BatchLines(TraceFormat):
    summary = "one object per batch and layer: `layer`, `batch_id`, `topk_experts` [tokens][k], optional `origin_rows`"
    written_by = "patches of vLLM that record how a batch is balanced"
    known_by = "`topk_experts` in the first line"

    def recognises(self, content: Content, top_k: int | None) -> bool:
        return content.container == "json-lines" and b'"topk_experts"' in content.head.partition(b"\n")[0]

    def read(self, content: Content, router: ModelRouter | None) -> RowTrace:
        return RowTrace(_Batches(content.path))


class _Batches(RowSource):
    def __init__(self, path: Path) -> None:
        self.where = path

    def blocks(self) -> Iterator[Rows]:
        lengths: dict[int, int] = {}
        """Tokens of each sequence in the batches before."""
        batch, origin, tokens = -1, np.empty(0, np.int64), np.empty(0, np.int64)
        k: int | None = None
        with open_unpacked(self.where) as file:
            number = 0
            while line := file.readline(_LONGEST_LINE):
                number += 1
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if not line.strip():
                    continue
                at = f"line {number}"
                data = _mapping(line, at, self.where)
                layer, of_batch = _number(data, "layer", at, self.where), _number(data, "batch_id", at, self.where)
                experts = self._experts(data, at, k)
                k = experts.shape[1]
                rows = self._origin(data, len(experts), at)
                if of_batch > batch:
                    batch, origin = of_batch, rows
                    tokens = _numbered(origin, lengths)
                elif of_batch < batch or not np.array_equal(rows, origin):
                    found = Plain(f"batch {of_batch} with other tokens than batch {batch} has")
                    raise InputError(
                        self.where, at, found, "all layers of a batch, with the same origin_rows, then the next"
                    )
                yield Rows(origin, tokens, np.full(len(experts), layer), experts, None, np.full(len(experts), number))

    def _experts(self, data: dict[str, Any], at: str, k: int | None) -> NDArray[np.uint16]:
        try:
            experts = np.array(data.get("topk_experts"))
        except (ValueError, OverflowError):
            experts = np.empty(0)
        if experts.ndim != 2 or experts.dtype.kind not in "iu" or not experts.size or (k and experts.shape[1] != k):
            allowed = f"[tokens][{k or 'k'}] expert ids"
            raise InputError(self.where, f"{at} topk_experts", Plain(str(data.get("topk_experts"))), allowed)
        return as_expert_ids(experts, self.where, f"{at} topk_experts")

    def _origin(self, data: dict[str, Any], tokens: int, at: str) -> NDArray[np.int64]:
        if data.get("origin_rows") is None:
            return np.zeros(tokens, np.int64)
        try:
            origin = np.array(data["origin_rows"])
        except (ValueError, OverflowError):
            origin = np.empty(0)
        if origin.shape != (tokens,) or origin.dtype.kind not in "iu":
            raise InputError(self.where, f"{at} origin_rows", Plain(str(data["origin_rows"])), f"{tokens} numbers")
        return origin.astype(np.int64)


def _numbered(origin: NDArray[np.int64], lengths: dict[int, int]) -> NDArray[np.int64]:
    """The number of each token within its sequence, of which `lengths` were there before (and are counted on)."""
    numbers = np.empty(len(origin), np.int64)
    for place, sequence in enumerate(origin.tolist()):
        numbers[place] = lengths[sequence] = lengths.get(sequence, -1) + 1
    return numbers


def _mapping(line: bytes, at: str, path: Path) -> dict[str, Any]:
    try:
        data = json.loads(line.decode())
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise InputError(path, at, Plain("text that is no JSON object"), _FORM)
    return data


def _number(data: dict[str, Any], key: str, at: str, path: Path) -> int:
    value = data.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < MOST_NUMBER:
        raise InputError(path, f"{at} {key}", value, "a whole number of 0 or more")
    return value
