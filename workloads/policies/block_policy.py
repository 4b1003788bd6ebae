"""Systems whose decisions do not hang on each other: all layers of many steps are taken at once."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from moe_cosim.workloads.demand import DemandRows, LayerDemand
from moe_cosim.workloads.policies.base import Policy


class BlockPolicy(Policy):
    """Subclasses decide columns of demand (`plan_decode`, and `plan_prefill` where the prompt is served otherwise).

    What they are given is one layer of one step or more, each whole, and in them at least one expert.
    """

    def plan_steps(self, first: int, last: int) -> None:
        parts = (first, min(last, 1), self.plan_prefill), (max(first, 1), last, self.plan_decode)
        for begin, end, plan in parts:
            if begin < end:
                rows = self.context.demand.rows(begin, end)
                if len(rows.expert):  # an encoder may have all experts, and is done with step 0
                    plan(rows)

    def plan_layer(self, demand: LayerDemand) -> None:
        rows = _rows(demand)
        if demand.step == 0:
            self.plan_prefill(rows)
        else:
            self.plan_decode(rows)

    def plan_prefill(self, rows: DemandRows) -> None:
        """Decide layers of step 0."""
        self.plan_decode(rows)

    @abstractmethod
    def plan_decode(self, rows: DemandRows) -> None:
        """Decide layers of decode steps."""


def _rows(demand: LayerDemand) -> DemandRows:
    count = len(demand.experts)
    return DemandRows(
        step=np.full(count, demand.step, np.int32),
        layer=np.full(count, demand.layer, np.int32),
        expert=np.array(demand.experts, np.int32),
        tokens=np.array(demand.tokens, np.int64),
        gate_weight=np.array(demand.gate_weights, np.float64),
        starts=np.array([0, count], np.int64),
    )
