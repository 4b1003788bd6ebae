"""At which precision each part of the model was kept and computed."""

from __future__ import annotations

import numpy as np

from moe_cosim.hw_models.components import Unit
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.sim.results.rows import AssumptionRow, PrecisionRow
from moe_cosim.workloads.plan import Plan
from moe_cosim.workloads.run_kinds import AnyScenario


class Precisions:
    """Which formats of experts which units ran, as plans go by."""

    def __init__(self, scenario: AnyScenario) -> None:
        self._scenario = scenario
        self._experts: dict[tuple[str, WeightFormat], None] = {}

    def add(self, plan: Plan) -> None:
        """The decisions of a block."""
        count = max(len(plan.formats), 1)
        ran = np.flatnonzero(np.bincount(plan.runs["unit"].astype(np.int64) * count + plan.runs["format"]))
        members = [(name,) for name in plan.units] + list(plan.teams)
        for unit, index in zip(*np.divmod(ran, count), strict=True):
            for name in members[unit]:
                self._experts[name, plan.formats[index]] = None

    def assumed(self) -> list[AssumptionRow]:
        """What stands for a checkpoint's unknown format, and what units whose times rest on measured kernels assumed of
        experts that were not among them."""
        found = []
        chosen = self._scenario.quantization
        if chosen.stands_for:
            found.append(AssumptionRow("checkpoint-format", chosen.expert_format.name, [], chosen.stands_for))
        for name, weights in self._experts:
            model = self._scenario.machine.units[name].model
            one = model.beyond_measurements(self._scenario.model.expert, weights) if model is not None else None
            if one is not None:
                found.append(AssumptionRow(one.name, one.value, list(one.range), one.source))
        return found

    def rows(self) -> list[PrecisionRow]:
        """The dense parts on the main unit, then the routed experts by who ran them."""
        machine, parts = self._scenario.machine, self._scenario.quantization.parts
        main, model = machine.main_unit, self._scenario.model
        has_shared = model.shared_intermediate > 0 or model.dense_intermediate > 0
        multiplied = ("attention", *(("shared",) if has_shared else ()), "head")
        dense = [_row(part, main, getattr(parts, part)) for part in multiplied]
        kept = [
            PrecisionRow(part, "", getattr(parts, part).name, getattr(parts, part).bits_per_weight, "")
            for part in ("embedding", "kv")
        ]
        experts = [_row("experts", machine.units[name], weights) for name, weights in self._experts]
        return dense + kept + sorted(experts, key=lambda row: (row.unit, -row.bits_per_weight, row.format))


def _row(part: str, unit: Unit, weights: WeightFormat) -> PrecisionRow:
    computed = unit.model.computes_as(weights) if unit.model is not None else ""
    return PrecisionRow(part, unit.name, weights.name, weights.bits_per_weight, computed)
