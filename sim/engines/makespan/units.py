"""Where no cost model is published: the sum of every unit."""

from __future__ import annotations

from moe_cosim.sim.engines.makespan.cost_model import CostModel, Loads, by_unit
from moe_cosim.sim.engines.makespan.layers import LayerEvents


class UnitSums(CostModel):
    name = "units"
    summary = "max over units, copy engines among them, of the sum of what each does alone"
    source = "no publication: the plain sum, for policies without a stated cost model"

    def loads(self, layers: LayerEvents) -> Loads:
        return by_unit(layers, layers.of_experts())
