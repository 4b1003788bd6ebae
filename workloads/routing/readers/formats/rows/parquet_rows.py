"""Parquet with a row for each token and layer: the columns of the JSON lines. Our own files say more of the trace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.arrays import MOST_EXPERTS, as_expert_ids
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.containers.parquet import ParquetColumns
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, trace_formats
from moe_cosim.workloads.routing.recorded.row_trace import RowTrace
from moe_cosim.workloads.routing.recorded.rows import Rows, RowSource
from moe_cosim.workloads.routing.recorded.saved import ABOUT

_KEYS: Final = ("sequence", "token", "layer")


@trace_formats.register("parquet-rows")
class ParquetRows(TraceFormat):
    summary = "a row per token and layer: `layer`, `token`, `experts` (list), optional `weights` (list) and `sequence`"
    written_by = "moe-cosim routing convert; tables made of logs"
    known_by = "Parquet columns `token`, `layer` and `experts`"

    def recognises(self, content: Content, top_k: int | None) -> bool:
        return content.container == "parquet" and {"token", "layer", "experts"} <= set(content.columns.names)

    def read(self, content: Content, router: ModelRouter | None) -> RowTrace:
        return RowTrace(_Table(content))


class _Table(RowSource):
    unit = "row"

    def __init__(self, content: Content) -> None:
        self.where, self._content = content.path, content  # a temporary copy lives as long as its content
        missing = {"token", "layer", "experts"} - set(content.columns.names)
        if missing:
            raise InputError(self.where, f"column {min(missing)}", Plain("no such column"), "token, layer and experts")
        self._about(content.columns)

    def blocks(self) -> Iterator[Rows]:
        columns: ParquetColumns = self._content.columns
        names = [name for name in (*_KEYS, "experts", "weights") if name in columns.names]
        first, k = 0, None
        for block in columns.blocks(names):
            numbers = {name: self._whole(block[name], name) for name in _KEYS if name in block}
            experts = block["experts"]
            rows = len(experts)
            if experts.ndim != 2 or experts.dtype.kind not in "iu" or (k is not None and experts.shape[1] != k):
                found = Plain(f"{experts.dtype} of shape {experts.shape}")
                raise InputError(self.where, "column experts", found, f"lists of {k or 'k'} ids")
            k = experts.shape[1]
            yield Rows(
                numbers.get("sequence", np.zeros(rows, np.int64)),
                numbers["token"],
                numbers["layer"],
                as_expert_ids(experts, self.where, "column experts"),
                self._weights(block.get("weights"), experts.shape),
                np.arange(first, first + rows),
            )
            first += rows

    def _whole(self, column: NDArray[Any], name: str) -> NDArray[np.int64]:
        if column.ndim != 1 or column.dtype.kind not in "iu":
            raise InputError(self.where, f"column {name}", Plain(str(column.dtype)), "whole numbers")
        return column.astype(np.int64)

    def _weights(self, column: NDArray[Any] | None, shape: tuple[int, ...]) -> NDArray[Any] | None:
        if column is None:
            return None
        if column.shape != shape or not bool(np.isfinite(column).all()) or bool((column < 0).any()):
            raise InputError(
                self.where, "column weights", Plain(f"shape {column.shape}"), "finite numbers, one an expert"
            )
        return column

    def _about(self, columns: ParquetColumns) -> None:
        """What our own files say beside their rows."""
        if ABOUT not in columns.metadata:
            return
        try:
            about = json.loads(columns.metadata[ABOUT])
            self.num_experts = about.get("num_experts")
            prompts, domains = about.get("prompt_tokens"), about.get("domains")
            self.prompt_tokens = None if prompts is None else np.array(prompts, np.int64)
            self.domains = None if domains is None else tuple(map(str, domains))
            if self.num_experts is not None and not 0 < int(self.num_experts) <= MOST_EXPERTS:
                raise ValueError
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            raise InputError(self.where, "metadata", Plain("what is no trace's"), "a file of routing convert") from None
