"""llama.cpp's importance matrix as GGUF: beside the squares of activations it counts the tokens of each expert."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, trace_formats
from moe_cosim.workloads.routing.recorded.expert_popularity import ExpertPopularity

_NAME: Final = re.compile(r"blk\.(\d+)\.ffn_(?:gate|up|down|gate_up)_exps\.weight\.counts")


@trace_formats.register("imatrix")
class Imatrix(TraceFormat):
    summary = "tokens that each expert of a layer got over the calibration text"
    written_by = "llama.cpp's llama-imatrix (--output-format gguf)"
    known_by = "GGUF tensors `blk.N.ffn_*_exps.weight.counts`"

    def recognises(self, content: Content, top_k: int | None) -> bool:
        return content.container == "gguf" and any(_NAME.fullmatch(name) for name in content.arrays)

    def read(self, content: Content, router: ModelRouter | None) -> ExpertPopularity:
        """All projections of a layer see the same tokens; the first one is read."""
        layers: dict[int, NDArray[np.float32]] = {}
        for name, array in content.arrays.items():
            if found := _NAME.fullmatch(name):
                layers.setdefault(int(found[1]), array.reshape(-1))
        if not layers:
            raise InputError(
                content.path, "tensors", Plain("no counts of experts"), "blk.N.ffn_gate_exps.weight.counts"
            )
        ordered = [layers[layer] for layer in sorted(layers)]
        if any(row.shape != ordered[0].shape for row in ordered):
            said = Plain(f"layers of {sorted({len(row) for row in ordered})} experts")
            raise InputError(content.path, "counts", said, "as many experts in every layer")
        return ExpertPopularity(np.stack(ordered).astype(np.float64), str(content.path))
