"""A run of recorded counts: the batch as it was, step by step."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.recorded.batch_counts import BatchCounts
from moe_cosim.workloads.routing.recorded.expert_popularity import ExpertPopularity
from moe_cosim.workloads.routing.routing import Experts, Routing, RoutingShape

PROMPT_OF_COUNTS: Final = Assumption(
    name="routing-prompt-of-counts",
    value="popularity",
    range=("popularity",),
    source=(
        "no recorded step has as many tokens as the batch's prompts together (they are cut and mixed with decoding), "
        "so their tokens choose by how often each expert was chosen over the whole recording"
    ),
    dimension="choice",
)


def draw_counts(counts: BatchCounts, shape: RoutingShape, seed: int, assumptions: Assumptions, repeat: bool) -> Routing:
    """The prefill is the first step with all prompt tokens of the batch, or drawn where there is none; the decode steps
    are the ones after it with one token of each sequence, from the first again if `repeat` says so.

    Raises `InputError` where there are fewer.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy=seed)))
    prompt = shape.sequences * shape.prompt_tokens
    whole = np.flatnonzero(counts.tokens == prompt)
    first = int(whole[0]) if len(whole) else -1
    if first < 0:
        assumptions.resolve(PROMPT_OF_COUNTS)
        popularity = ExpertPopularity(counts.counts.sum(axis=0).astype(np.float64), counts.where)
        prefill = popularity.draw(prompt, shape.top_k, seed)
    else:
        prefill = counts.deal(first, rng)
    steps = _decoded(counts, shape, first, repeat)
    decode = [counts.deal(step, rng) for step in steps.tolist()]
    tables = (
        prefill.reshape(shape.sequences, shape.prompt_tokens, *prefill.shape[1:]),
        np.stack(decode) if decode else np.empty((0, shape.sequences, shape.layers, shape.top_k), np.uint16),
    )
    said = f"counts of a batch of {shape.sequences}: {len(steps)} of {counts.steps} recorded steps decoded"
    return Routing(
        prefill_experts=tables[0],
        prefill_weights=_equal(tables[0]),
        decode_experts=tables[1],
        decode_weights=_equal(tables[1]),
        num_experts=shape.experts,
        source=f"{said}, seed {seed} deals them to sequences",
        of_tokens=False,
    )


def _decoded(counts: BatchCounts, shape: RoutingShape, prefill: int, repeat: bool) -> NDArray[np.int64]:
    """Numbers of the steps that are decoded."""
    fitting = np.flatnonzero(counts.tokens == shape.sequences)
    fitting = fitting[fitting > prefill]
    if len(fitting) < shape.output_tokens and not (repeat and len(fitting)):
        found = Plain(f"{len(fitting)} steps of {shape.sequences} tokens after the prompt (recorded: {counts.sizes()})")
        allowed = (
            f"{shape.output_tokens}, one for each decode step of this batch; workload.batch is that of the recording"
        )
        raise InputError(counts.where, "steps", found, allowed)
    return np.resize(fitting, shape.output_tokens) if shape.output_tokens else np.empty(0, np.int64)


def _equal(experts: Experts) -> NDArray[np.float32]:
    return np.broadcast_to(np.float32(1 / experts.shape[-1]), experts.shape)
