"""The edge GPU-NDP scheduling framework (DATE 2026, arXiv 2601.03992).

(1) Tensor parallelism inside each expert over the NDP modules: gate and up by columns, down by rows,
partial sums combined. (2) n of the activated experts go to the GPU, n such that their transfer and
computation take as long as the modules need for the rest, by other formulas in prefill and decode.
(3) Before decode the experts that the request's own prefill used most are loaded, one per layer
first, more while memory lasts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.alone import move_alone_ps, time_alone_ps
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.hw_models.units.base import UnitModel
from moe_cosim.options import Options, option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.block_policy import BlockPolicy
from moe_cosim.workloads.policies.parts.cells import (
    cell_of,
    order_in_cells,
    rank_in_cell,
    reordered,
    sum_before,
)
from moe_cosim.workloads.policies.parts.copies import Copies
from moe_cosim.workloads.policies.parts.moves import move_by_cell
from moe_cosim.workloads.policies.parts.staging import StagingRing

I64 = NDArray[np.int64]
F64 = NDArray[np.float64]

TEAM = "all modules"
RING_EXPERTS = 4


class EdgeNdpOptions(Options):
    """The three parts of the framework, to be turned off one by one."""

    tensor_parallel: bool = option(True, "slice every expert over all modules; else it runs in the module it lies in")
    balance: bool = option(True, "share missing experts between GPU and modules; else the GPU fetches none on demand")
    prefetch: bool = option(True, "keep the experts on the GPU that the prefill used most, as many as fit")


@policies.register("edge-ndp")
class EdgeNdp(BlockPolicy):
    """Its parts can be switched off, as the paper's ablation does."""

    summary = "experts sliced over NDP modules, GPU share balanced, prefill-ranked prefetch (arXiv 2601.03992)"
    homes = ("near-data",)
    cost_model = "edge-ndp"
    options_class = EdgeNdpOptions
    options: EdgeNdpOptions

    def prepare(self) -> None:
        context = self.context
        self._sliced = self.options.tensor_parallel and len(context.ndps) > 1
        self._balance, self._prefetch = self.options.balance, self.options.prefetch
        weight_format = context.quantization.expert_format
        if self._sliced:
            context.keep_striped(weight_format)
            self.plan.team(TEAM, tuple(unit.name for unit in context.ndps))
        else:
            context.keep_all(weight_format)
        fit = context.gpu_slots_that_fit(weight_format)
        context.require_slots(fit, 1, "staging area")
        ring = min(RING_EXPERTS, fit)
        self._ring = StagingRing(self.plan, context.gpu_slots("staging area", weight_format, ring))
        self._slots = self._take_slots(weight_format, fit - ring if self._prefetch else 0)
        self._gpu, self._format = self.plan.unit_index(context.gpu.name), self.plan.format_index(weight_format)
        near = self.plan.unit_index(TEAM) if self._sliced else context.ndp_units
        self._copies = Copies(context.homes(weight_format), self._format, near)
        self._modules_ps, self._gpu_ps = self._costs(weight_format)

    def _take_slots(self, weight_format: WeightFormat, count: int) -> I64:
        """[layers, most of a layer] addresses for experts that stay, dealt evenly; -1 where a layer has one less."""
        context, layers = self.context, self.context.demand.layers
        each = count // layers + (np.arange(layers) < count % layers)
        given = np.minimum(each, context.demand.num_experts)
        slots = np.full((layers, int(given.max())), -1, dtype=np.int64)
        if count:
            addresses = np.array(context.gpu_slots("prefetched experts", weight_format, count)[::-1], dtype=np.int64)
            slots[np.arange(slots.shape[1]) < given[:, None]] = addresses[: given.sum()]
        return slots

    def _costs(self, weight_format: WeightFormat) -> tuple[Callable[[I64], F64], Callable[[I64], F64]]:
        """Functions of the tokens of experts: ps of each on the modules, and on the GPU with its transfer."""
        context, machine = self.context, self.context.machine
        shape, size = context.model.expert, context.expert_bytes(weight_format)
        core, gpu = context.ndps[0], context.gpu
        slices = len(context.ndps) if self._sliced else 1
        part = ExpertShape(shape.hidden, -(-shape.intermediate // slices), shape.matrices)
        home = core.local_memory
        reading = time_alone_ps(machine, core.name, {home: -(-size // slices)})
        if self._sliced:
            parts = {unit.local_memory: -(-size // slices) for unit in context.ndps}
            transfer = time_alone_ps(machine, gpu.name, parts)
        else:
            transfer = move_alone_ps(machine, home, context.gpu_memory, size)
        near, far = _model(machine.units[core.name].model), _model(machine.units[gpu.name].model)

        def modules_ps(tokens: I64) -> F64:
            return np.maximum(near.expert_ps(tokens, part, weight_format), reading).astype(np.float64)

        def gpu_ps(tokens: I64) -> F64:
            return (transfer + far.expert_ps(tokens, shape, weight_format)).astype(np.float64)

        return modules_ps, gpu_ps

    def plan_prefill(self, rows: DemandRows) -> None:
        self._plan(rows, self._slots)

    def plan_decode(self, rows: DemandRows) -> None:
        self._plan(rows, self._slots[:, :0])

    def _plan(self, rows: DemandRows, slots: I64) -> None:
        """The GPU keeps as many of each layer's busiest experts as it has `slots` [layers, most of a layer]."""
        held = self._copies.unit[rows.layer, rows.expert] == self._gpu
        rows = reordered(rows, order_in_cells(rows, ~held, -rows.tokens))
        step, layer, expert = rows.step, rows.layer, rows.expert
        unit, address, move = (
            column[layer, expert] for column in (self._copies.unit, self._copies.address, self._copies.move)
        )
        missing = unit != self._gpu
        fetched = np.zeros(0, dtype=np.int64)
        if self._balance:
            fetched = np.flatnonzero(missing & (sum_before(missing, rows) < self._share(rows, missing)[cell_of(rows)]))
        rank = rank_in_cell(rows)
        kept = np.flatnonzero(rank < (slots >= 0).sum(axis=1)[layer])
        self._move(rows, fetched, kept, slots[layer[kept], rank[kept]], address, move)
        unit[fetched] = self._gpu
        self.plan.run_rows(step, layer, expert, rows.tokens, unit, self._format, address, move)

    def _move(self, rows: DemandRows, fetched: I64, kept: I64, slots: I64, address: I64, move: I64) -> None:
        """Rows `fetched` pass through the ring, those `kept` go into `slots` once their layer has run.

        `address` and `move` of the rows are where their copies are before; of those fetched, afterwards in the ring.
        """
        target, prefetch, after_run = self._ring.turns(self.plan.next_run + fetched)
        cell, kinds = cell_of(rows), (fetched, kept)
        through, stays = move_by_cell(
            self.plan,
            [cell[kind] for kind in kinds],
            *([column[kind] for kind in kinds] for column in (rows.step, rows.layer, rows.layer, rows.expert)),
            [np.full_like(kind, self._format) for kind in kinds],
            [address[kind] for kind in kinds],
            (target, slots),
            (prefetch, np.ones_like(kept)),
            (after_run, np.full_like(kept, -1)),
        )
        self._copies.put(rows.layer[kept], rows.expert[kept], self._gpu, self._format, slots, stays)
        address[fetched], move[fetched] = target, through

    def _share(self, rows: DemandRows, missing: NDArray[np.bool_]) -> I64:
        """[cells] how many of the busiest `missing` experts the GPU should take for both sides to end together.

        The same search serves prefill and decode: their formulas differ in what an expert costs.
        """
        modules = 1 if self._sliced else len(self.context.ndps)
        cell, place = cell_of(rows)[missing], sum_before(missing, rows)[missing]
        tokens, at = np.unique(rows.tokens[missing], return_inverse=True)
        beside, moved = self._modules_ps(tokens)[at], self._gpu_ps(tokens)[at]
        cells, most = len(rows.starts) - 1, int(place.max(initial=-1)) + 1
        near, far = np.zeros((cells, most + 1)), np.zeros((cells, most + 1))
        near[:, 0] = np.bincount(cell, weights=beside, minlength=cells) / modules
        near[cell, 1 + place], far[cell, 1 + place] = beside / modules, moved
        ends = np.maximum(np.subtract.accumulate(near, axis=1), np.cumsum(far, axis=1))
        best: I64 = np.argmin(
            ends, axis=1
        )  # after a cell's last expert nothing changes, and the first of equals counts
        return best


def _model(model: UnitModel | None) -> UnitModel:
    assert model is not None  # only a unit that copies has none
    return model
