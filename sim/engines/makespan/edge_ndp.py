"""The cost model of the edge GPU-NDP framework (arXiv 2601.03992)."""

from __future__ import annotations

from moe_cosim.sim.engines.makespan.cost_model import CostModel, Loads, by_unit
from moe_cosim.sim.engines.makespan.layers import LayerEvents


class EdgeNdpMakespan(CostModel):
    """An expert on the GPU takes its transfer and then its computation; modules take their slices; activations and
    partial sums travel for nothing."""

    name = "edge-ndp"
    summary = "max(sum of transfer + GPU, sum CPU, max over modules of sum NDP)"
    source = "edge GPU-NDP scheduling, arXiv 2601.03992: n such that transfer + GPU compute equals the modules' time"

    def loads(self, layers: LayerEvents) -> Loads:
        kernels, fetches = layers.kernels, layers.fetches
        transfers = Loads(fetches, layers.unit[layers.kernel[fetches]], layers.took_ps[fetches])
        return Loads.joined((by_unit(layers, kernels), transfers))
