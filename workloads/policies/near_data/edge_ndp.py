"""The edge GPU-NDP scheduling framework (DATE 2026, arXiv 2601.03992).

(1) Tensor parallelism inside each expert over the NDP modules: gate and up by columns, down by rows,
partial sums combined. (2) n of the activated experts go to the GPU, n such that their transfer and
computation take as long as the modules need for the rest, by other formulas in prefill and decode.
(3) Before decode the experts that the request's own prefill used most are loaded, one per layer
first, more while memory lasts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from moe_cosim.hw_models.alone import move_alone_ps, time_alone_ps
from moe_cosim.hw_models.units.base import ExpertShape, UnitModel
from moe_cosim.options import Options, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.plan import Copy
from moe_cosim.workloads.policies.base import Policy, policies
from moe_cosim.workloads.policies.parts.staging import StagingRing

TEAM = "all modules"
RING_EXPERTS = 4


class EdgeNdpOptions(Options):
    tensor_parallel: bool = option(True, "slice every expert over all modules; else it runs in the module it lies in")
    balance: bool = option(True, "share missing experts between GPU and modules; else the GPU fetches none on demand")
    prefetch: bool = option(True, "keep the experts on the GPU that the prefill used most, as many as fit")


@policies.register("edge-ndp")
class EdgeNdp(Policy):
    """Its parts can be switched off, as the paper's ablation does."""

    summary = "experts sliced over NDP modules, GPU share balanced, prefill-ranked prefetch (arXiv 2601.03992)"
    homes = ("near-data",)
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
        self._format = weight_format
        fit = context.gpu_slots_that_fit(weight_format)
        context.require_slots(fit, 1, "staging area")
        ring = min(RING_EXPERTS, fit)
        self._ring = StagingRing(self.plan, context.gpu_slots("staging area", weight_format, ring))
        layers = context.demand.layers
        left = fit - ring if self._prefetch else 0
        each = [left // layers + (layer < left % layers) for layer in range(layers)]
        slots = context.gpu_slots("prefetched experts", weight_format, sum(each)) if sum(each) else []
        self._slots = [[slots.pop() for _ in range(min(count, context.demand.num_experts))] for count in each]
        self._held: list[dict[int, Copy]] = [{} for _ in range(layers)]
        self._modules_ps, self._gpu_ps = self._costs()

    def _costs(self) -> tuple[Callable[[int], float], Callable[[int], float]]:
        """Functions of the tokens of one expert: ps on the modules, and on the GPU with its transfer."""
        context, machine = self.context, self.context.machine
        shape, size = context.model.expert, context.expert_bytes(self._format)
        core, gpu, bits = context.ndps[0], context.gpu, self._format.bits
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

        @cache
        def modules_ps(tokens: int) -> float:
            return float(max(int(near.expert_ps(tokens, part, bits)), reading))

        @cache
        def gpu_ps(tokens: int) -> float:
            return float(transfer + int(far.expert_ps(tokens, shape, bits)))

        return modules_ps, gpu_ps

    def plan_layer(self, demand: LayerDemand) -> None:
        context, layer = self.context, demand.layer
        held, gpu = self._held[layer], context.gpu.name
        ranked = demand.busiest_first()
        for expert, tokens in ranked:
            if expert in held:
                self.plan.run(expert, tokens, gpu, held[expert])
        missing = [row for row in ranked if row[0] not in held]
        moved = self._share(missing) if self._balance else 0
        for expert, tokens in missing[:moved]:
            copy = self._ring.fetch(layer, expert, self._home(layer, expert))
            self._ring.ran(copy, self.plan.run(expert, tokens, gpu, copy))
        for expert, tokens in missing[moved:]:
            unit = TEAM if self._sliced else context.ndp_of(expert).name
            self.plan.run(expert, tokens, unit, self._home(layer, expert))
        if demand.step == 0:
            for (expert, _), slot in zip(ranked, self._slots[layer], strict=False):
                held[expert] = self.plan.move(layer, expert, self._home(layer, expert), slot, prefetch=True)

    def _home(self, layer: int, expert: int) -> Copy:
        return self.context.home(layer, expert, self._format)

    def _share(self, ranked: list[tuple[int, int]]) -> int:
        """How many of the busiest experts the GPU should take for both sides to end together.

        The same search serves prefill and decode: their formulas differ in what an expert costs.
        """
        modules = 1 if self._sliced else len(self.context.ndps)
        near = sum(self._modules_ps(tokens) for _, tokens in ranked) / modules
        far, best, lowest = 0.0, 0, near
        for count, (_, tokens) in enumerate(ranked, start=1):
            near -= self._modules_ps(tokens) / modules
            far += self._gpu_ps(tokens)
            if max(near, far) < lowest:
                best, lowest = count, max(near, far)
        return best


def _model(model: UnitModel | None) -> UnitModel:
    assert model is not None  # only a unit that copies has none
    return model
