"""Where TriMoE keeps its experts outside the GPU, and what is predicted of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.workloads.kv_site import attention_window_ps
from moe_cosim.workloads.policies.context import Context
from moe_cosim.workloads.policies.near_data.trimoe.costs import TriMoeCosts

if TYPE_CHECKING:  # compiled: Numba is slow to import
    from moe_cosim.workloads.policies.near_data.trimoe.changes import ExpertPlaces, Forecast

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

_SPARE = 0.5
"""Free places beside the experts: so much of all of them may be striped at a time."""
_MARGIN = 0.5
"""Share of a layer that its copies are planned into: they share the DRAM with the experts, and a copy that
ends after the layer delays it (at 0.5 none does; 1.0 gains no more)."""


class Homes:
    """One copy of every expert in the modules: localized in one, or striped over all.

    `address` and `move` [layers, experts] are of the copies. A place that an expert leaves can be filled
    again in a later layer, when the move out of it has ended.
    """

    def __init__(self, context: Context, weight_format: WeightFormat) -> None:
        memories = [unit.local_memory for unit in context.ndps]
        layers, experts = context.demand.layers, context.demand.num_experts
        count = len(memories)
        each = -(-layers * experts // count) + layers  # rebalancing needs room in every module
        local = [context.local_places("localized experts", memory, weight_format, each) for memory in memories]
        striped = context.stripe_places("striped experts", weight_format, int(_SPARE * layers * experts))
        self._place = np.broadcast_to(np.arange(experts) % count, (layers, experts)).copy()
        self.address = np.empty((layers, experts), dtype=np.int64)
        self.move = np.full((layers, experts), -1, dtype=np.int64)
        self._free = np.empty((count + 1, max(each, len(striped))), dtype=np.int64)
        self._free_count = np.empty(count + 1, dtype=np.int64)
        for module, places in enumerate(local):
            own = self._place == module
            self.address[own] = places[: own.sum()]
            self._fill(module, np.array(places[own.sum() :], dtype=np.int64))
        self._fill(count, striped)
        context.plan.reside(weight_format, self.address)

    def _fill(self, place: int, addresses: I64) -> None:
        self._free[place, : len(addresses)] = addresses[::-1]
        self._free_count[place] = len(addresses)

    def places(self, hot: NDArray[np.bool_], slot: I64) -> ExpertPlaces:
        """All places, those on the GPU too."""
        from moe_cosim.workloads.policies.near_data.trimoe.changes import ExpertPlaces

        left = np.empty((2, hot.shape[1]), dtype=np.int64)
        free = (self._free, self._free_count)
        return ExpertPlaces(self._place, self.address, hot, slot, *free, left, np.zeros(1, dtype=np.int64))


WINDOW = Assumption(
    "relayout-window",
    "layer",
    ("layer", "attention"),
    "what hides a change of layout. The paper says the attention/MLP window; one expert takes 1.4-1.9 ms over "
    "DIMM-Link, longer than the attention of these models at these lengths. DIMM-Link shares nothing with the experts "
    "but the DRAM, so 'layer' lets its copies run until the layer's experts are done; fetching to the GPU always has "
    "the attention alone",
    "choice",
)


@dataclass(frozen=True)
class Shadow:
    """What hides changes of layout: ps of the GPU's link and of each DIMM-Link port, per layer."""

    link_ps: float
    port_ps: float
    whole_layer: bool

    @classmethod
    def of(cls, context: Context) -> Shadow:
        """From the attention of a decode step and the assumption `relayout-window`."""
        layout = context.layout
        kv = layout.kv_stripes.memories if layout.kv_stripes is not None else ()
        units = layout.attention_units
        window, link = attention_window_ps(
            context.machine, context.model, context.workload, context.quantization.parts, kv, units
        )
        return cls(float(max(window - link, 0)), float(window), context.choice(WINDOW) == "layer")

    def ports_ps(self, experts_ps: F64) -> F64:
        """Of each port, where the experts of a layer take about `experts_ps` [layers]."""
        return _MARGIN * (self.port_ps + experts_ps) if self.whole_layer else np.full_like(experts_ps, self.port_ps)


def forecast(costs: TriMoeCosts, predicted: F64, layer: I64, hot: NDArray[np.bool_], modules: I64) -> Forecast:
    """Of `predicted` tokens [layers, experts] of these layers, `modules` [layers] wide."""
    from moe_cosim.workloads.policies.near_data.trimoe.changes import Forecast

    tokens = np.clip(np.rint(predicted).astype(np.int64), 1, len(costs.gpu_hit) - 1)
    ndp_ps, cpu_ps = costs.ndp[tokens], costs.cpu[0][tokens]
    chance = _asked_for(predicted)
    hottest = np.argsort(-predicted, axis=1, kind="stable")
    near = np.take_along_axis(ndp_ps * chance / modules[:, None], hottest, axis=1)
    off_gpu = ~np.take_along_axis(hot[layer], hottest, axis=1)
    return Forecast(
        layer=layer,
        tokens=predicted,
        ndp_ps=ndp_ps,
        cpu_ps=cpu_ps,
        chance=chance,
        hottest=hottest,
        coldest=np.argsort(predicted, axis=1, kind="stable"),
        gain=np.argsort(-np.abs(ndp_ps - cpu_ps), axis=1, kind="stable"),
        near_ps=np.array([ps[chosen].sum() for ps, chosen in zip(near, off_gpu, strict=True)]),
    )


def _asked_for(predicted: F64) -> F64:
    """The chance that an expert of so many tokens is asked for at all, were they independent.

    By the C library: NumPy's own differs in the last bit where the processor has AVX-512, which decides near ties.
    """
    found = np.fromiter(map(math.expm1, -predicted.ravel()), np.float64, predicted.size)
    return -found.reshape(predicted.shape)
