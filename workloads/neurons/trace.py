"""Recorded activity: which neurons the tokens of a text needed.

A ``.npz`` file with boolean arrays ``qkv`` and ``mlp`` [tokens, layers, neurons], the tokens of one text in order, and
optionally ``profile_qkv`` and ``profile_mlp``, the same of tokens of other texts (else the first half of the recording
is what is known offline).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Workload
from moe_cosim.options import Options, option
from moe_cosim.workloads.array_archive import read_npz
from moe_cosim.workloads.neurons.activity import Clusters, NeuronActivity
from moe_cosim.workloads.neurons.model import BLOCKS, NeuronModel
from moe_cosim.workloads.neurons.profiling import profiled

_ALLOWED = "boolean arrays qkv and mlp [tokens, layers, neurons] (.npz)"


class ActivityTraceOptions(Options):
    """Which recording."""

    file: str = option(..., "the recording", allowed="the path of a .npz file (docs/neurons.md)")


def recorded(options: ActivityTraceOptions, model: NeuronModel, workload: Workload, where: object) -> NeuronActivity:
    """The recorded text as each sequence of the batch, single neurons as clusters. Raises `InputError` for a file that
    is not that, is of another model, or too short."""
    path = Path(options.file)
    arrays = read_npz(path, _ALLOWED)
    clusters = Clusters.of(model, 1)
    active = _text(arrays, "", model, path)
    needed = workload.prompt_tokens + workload.skipped_tokens + workload.decoded_tokens
    if len(active) < needed:
        raise InputError(where, "neurons.file", Plain(f"{len(active)} tokens"), f"at least the workload's {needed}")
    others = _text(arrays, "profile_", model, path) if "profile_qkv" in arrays else active[: len(active) // 2]
    begins = workload.prompt_tokens + workload.skipped_tokens
    decoded = active[begins : begins + workload.decoded_tokens]
    return NeuronActivity(
        clusters,
        profiled(others, clusters),
        active[: workload.prompt_tokens].mean(axis=0, dtype=np.float32),
        decoded.astype(np.uint16) * np.uint16(workload.batch),
        f"recorded: {path.name}, {len(active)} tokens",
    )


def _text(arrays: dict[str, NDArray[np.generic]], prefix: str, model: NeuronModel, path: Path) -> NDArray[np.bool_]:
    """[tokens, layers, neurons of both blocks]."""
    found = []
    for name, block in zip(BLOCKS, model.blocks, strict=True):
        array = arrays.get(prefix + name)
        if array is None:
            raise InputError(path, prefix + name, Plain("nothing"), _ALLOWED)
        if array.dtype != np.bool_ or array.ndim != 3:
            raise InputError(path, prefix + name, Plain(f"{array.dtype} {array.shape}"), _ALLOWED)
        if array.shape[1:] != (model.layers, block.neurons) or not len(array):
            allowed = f"[tokens, {model.layers}, {block.neurons}], as {model.name} has"
            raise InputError(path, prefix + name, Plain(f"shape {array.shape}"), allowed)
        found.append(array)
    if len({len(array) for array in found}) > 1:
        raise InputError(
            path, prefix + BLOCKS[1], Plain(f"{len(found[1])} tokens"), f"{len(found[0])}, as in the other"
        )
    return np.concatenate(found, axis=2)
