"""What a policy decided in decode, block by block: where experts ran, whether they were at hand, what moved."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.sim.results.rows import ClassRow, ExpertSummary, MoveRow
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.plan import Plan
from moe_cosim.workloads.quantization.losses import LossTable

CLASSES: Final = ("hot", "warm", "cold")
HOT_EXPERTS: Final = 0.05
COLD_EXPERTS: Final = 0.71
"""Shares of a layer's experts, ranked by the tokens they got in the step: TriMoE (arXiv 2603.01058) calls
more than 70 % of the experts cold and 20-40 % warm."""

_WAYS: Final = ("to the GPU on demand", "to the GPU ahead", "between other memories")
_FULL_BITS: Final = 16


class Decisions:
    """Counts over the plans of all blocks so far."""

    def __init__(self, machine: Machine, demand: Demand, shape: ExpertShape, losses: LossTable) -> None:
        from moe_cosim.sim.results.metrics.plan_pass import PlanSums

        self._machine, self._demand, self._shape, self._losses = machine, demand, shape, losses
        self._kinds = sorted({unit.kind for unit in machine.units.values()})
        self._sums = PlanSums(
            runs=np.zeros(5, np.int64),
            classes=np.zeros((len(CLASSES), len(self._kinds), 2), np.int64),
            moves=np.zeros((len(_WAYS), 2), np.int64),
        )
        self._prefetched = np.zeros(0, np.bool_)  # one per move of the run so far, and room
        self._moves = 0
        self._skipped = 0
        self._lost: dict[int, list[NDArray[np.float64]]] = {}
        """By width: tokens times loss of every run. All are kept, since their sum depends on the order."""
        self._raised: dict[int, list[NDArray[np.float64]]] = {}
        """The same of the change of the model's loss."""

    def add(self, plan: Plan) -> None:
        """The next block's."""
        from moe_cosim.sim.results.metrics.plan_pass import PlanKey, count_plan

        runs, moves, demand = plan.runs, plan.moves, self._demand
        self._remember(plan)
        units = self._machine.units
        names = [*plan.units, *(team[0] for team in plan.teams)]
        main = self._machine.main_unit
        memory = self._machine.memories[main.local_memory]
        key = PlanKey(
            first_move=plan.first_move,
            gpu=plan.units.index(main.name),
            hot=max(1, round(HOT_EXPERTS * demand.num_experts)),
            cold=demand.num_experts - round(COLD_EXPERTS * demand.num_experts),
            gpu_base=memory.base_address,
            gpu_end=memory.base_address + memory.capacity_bytes,
        )
        used_at_once = np.zeros(len(moves), np.bool_)
        of_format = np.zeros(len(plan.formats), np.int64)
        count_plan(
            runs,
            self._by_rank(runs),
            moves,
            self._prefetched,
            np.array([self._kinds.index(units[name].kind) for name in names], np.int64),
            np.array([weight_format.expert_bytes(self._shape) for weight_format in plan.formats], np.int64),
            key,
            self._sums,
            used_at_once,
            of_format,
        )
        if len(plan.skips):
            self._skipped += int((plan.skips["step"] > 0).sum())
        self._lose(plan, of_format)

    def _by_rank(self, runs: NDArray[np.void]) -> NDArray[np.int64]:
        """The order of runs by step and layer, and there by tokens, most first, then expert."""
        most = int(runs["tokens"].max(initial=0))
        cell = runs["step"].astype(np.int64) * self._demand.layers + runs["layer"]
        key = (cell * (most + 1) + (most - runs["tokens"])) * self._demand.num_experts + runs["expert"]
        return np.argsort(key, kind="stable")

    def _remember(self, plan: Plan) -> None:
        """Whether moves were prefetched: later blocks run what they brought."""
        first, self._moves = self._moves, plan.first_move + len(plan.moves)
        if self._moves > len(self._prefetched):
            grown = np.zeros(max(self._moves, 2 * len(self._prefetched)), np.bool_)
            grown[:first] = self._prefetched[:first]
            self._prefetched = grown
        self._prefetched[plan.first_move : self._moves] = plan.moves["prefetch"] | (
            plan.moves["of_layer"] != plan.moves["layer"]
        )

    def _lose(self, plan: Plan, of_format: NDArray[np.int64]) -> None:
        in_use = {
            weight_format.bits for weight_format, runs in zip(plan.formats, of_format.tolist(), strict=True) if runs
        }
        for bits in in_use:
            kept = self._lost.setdefault(bits, [])
            raised = self._raised.setdefault(bits, [])
            if bits != _FULL_BITS and bits in self._losses.bits:
                is_mine = np.array([weight_format.bits == bits for weight_format in plan.formats])
                mine = plan.runs[is_mine[plan.runs["format"]] & (plan.runs["step"] > 0)]
                cells = mine["layer"], mine["expert"], self._losses.bits.index(bits)
                kept.append(mine["tokens"] * self._losses.loss[cells])
                if self._losses.delta is not None:
                    raised.append(mine["tokens"] * self._losses.delta[cells])

    def expert_summary(self) -> ExpertSummary:
        """A hit was in GPU memory before the gate asked; a miss was fetched then.

        `hit_rate` is hits over GPU runs (prefetched ones that were announced earlier count as hits).
        """
        runs, on_gpu, misses, ahead, _ = self._sums.runs.tolist()
        return ExpertSummary(
            gpu_hits=on_gpu - misses,
            gpu_hits_by_prefetch=ahead,
            gpu_misses=misses,
            hit_rate=(on_gpu - misses) / on_gpu if on_gpu else None,
            near_data=runs - on_gpu,
            near_data_share=(runs - on_gpu) / runs if runs else None,
            skipped=self._skipped,
            moves=int(self._sums.moves[:, 0].sum()),
        )

    def class_rows(self) -> list[ClassRow]:
        """Rows of (class, unit kind) with runs and tokens per layer and step."""
        cells = (self._demand.steps - 1) * self._demand.layers
        tokens = int(self._sums.runs[4])
        return [
            ClassRow(
                class_=name,
                unit=kind,
                runs_per_layer=runs / cells,
                tokens_per_layer=mine / cells,
                tokens_share=mine / tokens,
            )
            for name, of_class in zip(CLASSES, self._sums.classes.tolist(), strict=True)
            for kind, (runs, mine) in zip(self._kinds, of_class, strict=True)
            if runs
        ]

    def move_rows(self) -> dict[str, MoveRow]:
        """Copies and bytes, fetched to a GPU on demand or ahead, or moved between other memories."""
        rows = zip(_WAYS, self._sums.moves.tolist(), strict=True)
        return {way: MoveRow(copies=copies, bytes=size) for way, (copies, size) in rows if copies}

    def mean_loss(self) -> float | None:
        """Mean of L(layer, expert, bits) over the routed tokens; 16 bits lose 0.

        None where a width in use is not in the table. Skipped experts are not in the mean.
        """
        return self._mean(self._lost)

    def delta_loss(self) -> float | None:
        """Expected change of the model's loss in nats per token: what its routed tokens add, each of `top_k` in every
        MoE layer. None unless the table was measured on this model, and as `mean_loss`."""
        mean = self._mean(self._raised) if self._losses.delta is not None else None
        return None if mean is None else mean * self._demand.layers * self._demand.top_k

    def _mean(self, by_width: dict[int, list[NDArray[np.float64]]]) -> float | None:
        total = 0.0
        for bits, lost in sorted(by_width.items()):
            if bits != _FULL_BITS:
                if bits not in self._losses.bits:
                    return None
                total += float(np.concatenate(lost).sum())
        return total / float(self._sums.runs[4]) if self._sums.runs[0] else None
