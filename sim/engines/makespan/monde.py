"""MoNDE's cost model (arXiv 2405.18832), as its rule for H has it."""

from __future__ import annotations

import numpy as np

from moe_cosim.hw_models.units.kinds import Role
from moe_cosim.sim.engines.makespan.cost_model import CostModel, Loads, by_unit
from moe_cosim.sim.engines.makespan.layers import DISPATCH, LayerEvents


class MondeMakespan(CostModel):
    """Hot experts take the longer of moving over PCIe (PMove) and of computing, cold ones moving their activations
    (AMove) and then the device; the two sides run side by side.

    The paper balances H W / BW_pcie with the rest over BW_device; it gives no other formula (second-hand reading).
    """

    name = "monde"
    summary = "max(sum PMove, sum GPU, sum AMove + max over devices of sum NDP)"
    source = "MoNDE, arXiv 2405.18832: H balances weights over PCIe with the others at the device's bandwidth"

    def loads(self, layers: LayerEvents) -> Loads:
        sides = by_unit(layers, np.concatenate([layers.kernels, layers.fetches]))
        return Loads.joined((sides, _activations(layers)))


def _activations(layers: LayerEvents) -> Loads:
    """Every copy of activations, in the sum of each unit near the data."""
    near = np.flatnonzero(layers.in_role(Role.NEAR_DATA))
    copies = layers.of_experts(DISPATCH)
    event = np.repeat(copies, len(near))
    return Loads(event, np.tile(near, len(copies)), layers.took_ps[event])
