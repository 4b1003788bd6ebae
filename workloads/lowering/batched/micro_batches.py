"""A pass through the layers in micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.passes import Pass, times_of
from moe_cosim.workloads.lowering.scene import Scene


def micro_batches_of(scene: Scene, whole: Sequence[Pass]) -> list[Pass]:
    """Each of the passes in its micro-batches, one after the other."""
    batching, work = scene.layout.batching, scene.workload
    sizes = batching.sizes(work.batch)
    if len(sizes) == 1:
        return list(whole)
    found = []
    for each in whole:
        per_sequence = each.tokens // work.batch
        times = {
            size: times_of(scene, (size * per_sequence,), (size * each.head_tokens // work.batch,))[0]
            for size in set(sizes)
        }
        first = 0
        for number, size in enumerate(sizes):
            own = times[size]
            found.append(
                replace(
                    each,
                    tokens=size * per_sequence,
                    projections_ps=own.projections[each.every.layer],
                    gate_ps=own.gate,
                    shared_ps=own.shared,
                    dense_ps=own.dense,
                    sequences=size,
                    first_sequence=first,
                    number=number,
                    band=0 if batching.experts_at_once else slots.BAND * number,
                    attends_apart=batching.attention_apart,
                )
            )
            first += size
    return found
