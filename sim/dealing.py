"""In which order many runs are dealt to workers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from moe_cosim.experiment import Experiment


def dealing_order(experiments: Sequence[Experiment]) -> list[int]:
    """Indices: longest runs first, so that no worker is left with a long one at the end, and among equals those
    on the same routing after each other, so that a worker draws it once."""
    first: dict[Hashable, int] = {}
    for index, experiment in enumerate(experiments):
        first.setdefault(_routing(experiment), index)

    def place(index: int) -> tuple[int, int]:
        experiment = experiments[index]
        return -experiment.workload.generated_tokens, first[_routing(experiment)]

    return sorted(range(len(experiments)), key=place)


def _routing(experiment: Experiment) -> Hashable:
    """What it is drawn from, but for assumptions."""
    return experiment.seed, experiment.model, experiment.workload, repr(experiment.routing)
