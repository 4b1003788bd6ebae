"""Parquet of one layer, a row a token: ``indices`` and ``scores``, as FLAME-MoE publishes its routing."""

from __future__ import annotations

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.arrays import Arrays
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.formats.token_arrays import from_token_arrays
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, trace_formats
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace


@trace_formats.register("parquet-layer")
class ParquetLayer(TraceFormat):
    summary = (
        "one layer, a row a token: `indices` (list of k ids), optional `scores` (list); or a folder of one a layer"
    )
    written_by = "FLAME-MoE, a file for each layer"
    known_by = (
        "Parquet column `indices`; of a folder, in every file (layers in the order of the numbers in their names)"
    )

    def recognises(self, content: Content, top_k: int | None) -> bool:
        files = content.members or [content]
        return all(one.container == "parquet" and "indices" in one.columns.names for one in files)

    def read(self, content: Content, router: ModelRouter | None) -> TokenTrace:
        layers = [_layer(one) for one in content.members or [content]]
        for one, layer in zip(content.members, layers, strict=False):
            if {name: array.shape for name, array in layer.items()} != {n: a.shape for n, a in layers[0].items()}:
                found = Plain(f"{len(layer['experts'])} tokens of {layer['experts'].shape[2]}")
                raise InputError(one.path, "column indices", found, "the same tokens in the file of every layer")
        arrays = {name: np.concatenate([layer[name] for layer in layers], axis=1) for name in layers[0]}
        return from_token_arrays(arrays | {"offsets": np.array([0, len(arrays["experts"])])}, content.path)


def _layer(content: Content) -> Arrays:
    """`experts` and, if there are scores, `weights` [tokens, 1, k] of one file."""
    columns = content.columns
    if "indices" not in columns.names:
        raise InputError(content.path, "column indices", Plain("no such column"), "indices, and scores beside them")
    names = [name for name in ("indices", "scores") if name in columns.names]
    blocks = list(columns.blocks(names))
    if not blocks or any(array.ndim != 2 for block in blocks for array in block.values()):
        raise InputError(content.path, "column indices", Plain("no lists"), "a list of k values in every row")
    if len({array.shape[1] for block in blocks for array in block.values()}) != 1:
        raise InputError(content.path, "column indices", Plain("lists of several lengths"), "k values in every row")
    indices = np.concatenate([block["indices"] for block in blocks])[:, np.newaxis]
    arrays: Arrays = {"experts": indices}
    if "scores" in names:
        arrays["weights"] = np.concatenate([block["scores"] for block in blocks])[:, np.newaxis].astype(np.float64)
    return arrays
