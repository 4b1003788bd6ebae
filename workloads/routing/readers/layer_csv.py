"""llama.cpp's routing logged as CSV ``layer,expert``: the choices of a pass, layer after layer, token after token."""

from __future__ import annotations

import lzma
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.archive import as_expert_ids
from moe_cosim.workloads.routing.readers.packed_text import open_text
from moe_cosim.workloads.routing.token_trace import TokenTrace

HEADER: Final = b"layer,expert"


def read_layer_csv(path: Path, top_k: int | None) -> TokenTrace:
    """One document. Passes may have any number of tokens, the same in all layers of a pass."""
    if top_k is None:
        raise InputError(path, "top_k", Plain("nothing"), "the model's experts per token: lines do not say it")
    try:
        with open_text(path) as file:
            rows = np.loadtxt(file, np.int64, delimiter=",", skiprows=1, ndmin=2)
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
        raise InputError(path, "file", Plain(str(error)), "lines of two whole numbers: layer,expert") from None
    if rows.size == 0 or rows.shape[1] != 2:
        raise InputError(path, "file", Plain(f"shape {rows.shape}"), "lines of two whole numbers: layer,expert")
    ids = as_expert_ids(rows[:, 1], path)
    layers = len(np.unique(rows[:, 0]))
    starts = np.flatnonzero(np.diff(rows[:, 0], prepend=rows[:, 0].min() - 1))
    lengths = np.diff(starts, append=len(rows))
    order = rows[starts, 0]
    whole = len(starts) % layers == 0 and bool((order.reshape(-1, layers) == np.unique(order)).all())
    if not whole or bool((lengths.reshape(-1, layers) % top_k != 0).any()):
        raise InputError(
            path, "layer", Plain("passes that are not whole"), f"all layers in turn, {top_k} lines a token"
        )
    if bool((lengths.reshape(-1, layers) != lengths[::layers, None]).any()):
        raise InputError(path, "layer", Plain("more lines in one layer than in another"), "as many in all of a pass")
    passes = np.split(ids, starts[layers::layers])
    experts = np.concatenate([each.reshape(layers, -1, top_k).swapaxes(0, 1) for each in passes])
    offsets = np.array([0, len(experts)], np.int64)
    return TokenTrace(experts, None, offsets, int(ids.max()) + 1, num_experts_known=False, where=str(path))
