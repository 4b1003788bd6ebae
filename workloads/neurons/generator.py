"""Activity drawn from the latent model of `moe_cosim.workloads.neurons.latent`."""

from __future__ import annotations

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Workload
from moe_cosim.options import Options, option
from moe_cosim.quantity import format_quantity
from moe_cosim.workloads.limits import memory_bytes
from moe_cosim.workloads.neurons.activity import Clusters, NeuronActivity, Profile
from moe_cosim.workloads.neurons.draw import Draw
from moe_cosim.workloads.neurons.latent import ActivityTargets, Latent
from moe_cosim.workloads.neurons.model import NeuronModel

PROFILED_TEXTS = 128
"""One token of each (Hermes, arXiv 2502.16963, IV-B: 128 samples of C4 and Pile)."""


class ActivityGeneratorOptions(Options):
    """How alike tokens and layers are; each may be measured in a recording (`ActivityStatistics`)."""

    density: float | None = option(None, "share of the neurons that a token needs; null: the model's", gt=0, lt=1)
    hot_share: float = option(0.8, "of the work, what the busiest 20 % of the neurons do in all texts", gt=0, le=1)
    next_similarity: float = option(0.9, "of a token's neurons, the share that the next one needs too", gt=0, le=1)
    far_similarity: float = option(0.7, "the same of a token of the same text far behind it", gt=0, le=1)
    layer_similarity: float = option(0.9, "the same of the most alike neurons of the layer before", gt=0, le=1)
    bundle_neurons: int = option(64, "neighbours that become active together, each at its level", unit="neurons", ge=1)
    cluster_neurons: int = option(16, "neighbours that are placed, moved and computed as one", unit="neurons", ge=1)


def generated(
    options: ActivityGeneratorOptions, model: NeuronModel, workload: Workload, seed: int, where: object
) -> NeuronActivity:
    """Activity of the workload's sequences, each a text of its own. Raises `InputError` for options that contradict
    each other."""
    density = model.density if options.density is None else options.density
    wanted = ActivityTargets(
        density, options.hot_share, options.next_similarity, options.far_similarity, options.layer_similarity
    )
    clusters = Clusters.of(model, options.cluster_neurons)
    prompt, output = workload.prompt_tokens, workload.decoded_tokens
    begins = prompt + workload.skipped_tokens
    _check_size((begins + 3 * output) * model.layers * clusters.count, where)
    draw = Draw(Latent.solved(wanted, where), clusters, model.layers, options.bundle_neurons, seed)
    texts = np.concatenate([draw.active(-1 - text, 0, 1) for text in range(PROFILED_TEXTS)])
    profile = Profile(texts.mean(axis=0, dtype=np.float32), draw.correlated)
    frequency = np.zeros(profile.frequency.shape, np.float32)
    tokens = np.zeros((output, model.layers, clusters.count), np.uint16)
    for text in range(workload.batch):
        active = draw.active(text, 0, begins + output)
        frequency += active[:prompt].mean(axis=0, dtype=np.float32) / np.float32(workload.batch)
        tokens += active[begins:]
    source = (
        f"generator: {density:.3g} of the neurons per token, {options.hot_share:.3g} of the work in a fifth, "
        f"{options.next_similarity:.3g} of them needed by the next token, clusters of {options.cluster_neurons}"
    )
    return NeuronActivity(clusters, profile, frequency, tokens, source)


def _check_size(needed_bytes: int, where: object) -> None:
    """`InputError` for activity that would not fit this computer's memory: a byte for every cluster of a text's tokens,
    two more for those of decode."""
    if needed_bytes > memory_bytes():
        found = Plain(f"{format_quantity(needed_bytes, 'bytes')} of activity")
        allowed = f"at most the {format_quantity(memory_bytes(), 'bytes')} of memory of this computer (shorter texts)"
        raise InputError(where, "workload", found, allowed)
