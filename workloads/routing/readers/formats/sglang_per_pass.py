"""sglang's recorder in its mode per_pass: the tokens that each physical expert got, pass by pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.formats.sglang_records import array_of, has_records, logical_map, records_of
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, needed, trace_formats
from moe_cosim.workloads.routing.recorded.batch_counts import BatchCounts

_KEY = "global_physical_count"


@trace_formats.register("sglang-per-pass")
class SglangPerPass(TraceFormat):
    summary = "tokens of the batch that each physical expert got, pass by pass; mapped to logical experts"
    written_by = "SGLang's expert distribution recorder (mode per_pass): the .pt itself, or as JSON"
    known_by = "`records` with `global_physical_count` and without `topk_ids_of_layer`"
    needs_model = True

    def recognises(self, content: Content, top_k: int | None) -> bool:
        return has_records(content, _KEY) and not has_records(content, "topk_ids_of_layer")

    def read(self, content: Content, router: ModelRouter | None) -> BatchCounts:
        """One step a pass; ranks that recorded the same pass are added up."""
        passes: dict[int, NDArray[np.int64]] = {}
        for number, record in enumerate(records_of(content)):
            at = f"record {number}"
            counts = array_of(record, _KEY, 2, at, content)
            key = record.get("forward_pass_id", number)
            if not isinstance(key, int):
                raise InputError(content.path, f"{at} forward_pass_id", key, "a whole number")
            if passes and counts.shape != next(iter(passes.values())).shape:
                raise InputError(content.path, f"{at} {_KEY}", Plain(f"shape {counts.shape}"), "as in the first record")
            passes[key] = passes[key] + counts if key in passes else counts
        physical = np.stack([passes[key] for key in sorted(passes)])
        return BatchCounts.of(_logical(physical, content), needed(router, content, "counts").top_k, content.path)


def _logical(physical: NDArray[np.int64], content: Content) -> NDArray[np.int64]:
    """[passes, layers, experts] of [passes, layers, physical experts]."""
    found = logical_map(content, physical.shape[1])
    if found is None:
        return physical
    if found.shape != physical.shape[1:]:
        expected = f"a map [{physical.shape[1]}, {physical.shape[2]}]"
        raise InputError(content.path, "last_physical_to_logical_map", Plain(f"shape {found.shape}"), expected)
    logical = np.zeros((*physical.shape[:2], int(found.max()) + 1), np.int64)
    for layer, row in enumerate(found):
        np.add.at(logical[:, layer].T, row, physical[:, layer].T)
    return logical
