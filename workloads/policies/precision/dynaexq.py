"""DynaExq: every expert on the GPU, the hottest of each layer at more bits, exchanged in the background.

Source: Chu et al., "Dynamic Expert Quantization for Scalable Mixture-of-Experts Inference" (arXiv 2511.15015), and the
authors' manuscript and configurations (kexinchu/DynaQuant: ICCAD_2026_DynExq/03_design.tex, equation 1 and sections B
to D; dynaexq/configs/qwen30b.yaml): hotness is an exponential average of the gate weights that a token gives; each
layer's `n` hottest experts have the high precision, exchanged every so many steps where an outsider's hotness exceeds
an incumbent's by a margin; what is on its way is published when it has arrived.

Inferred: the calibration that orders the experts before the run is the prompt's own gate weights, and hotness begins
there; a copy is published one step after it was asked for; what may be on its way at once is counted layer by layer; a
demoted expert goes to a spare place, and the promoted one's old place is the next spare.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.formats import WeightFormat, find_format
from moe_cosim.options import Options, option
from moe_cosim.workloads.demand import DemandRows
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.block_policy import BlockPolicy
from moe_cosim.workloads.policies.parts.cells import each_cell
from moe_cosim.workloads.policies.parts.copies import Copies

IN_FLIGHT: Final = 4
"""Copies on their way at once: `max_inflight` of dynaexq/configs/qwen30b.yaml. An exchange is two."""


class DynaExqOptions(Options):
    low_format: str = option(
        "int4", "number format of the low precision", allowed="a number format of fewer bits than the experts'"
    )
    high_share: float | None = option(
        0.2,
        "share of each layer's experts at high precision, rounded down (the paper's default: 0.2); null: as many as "
        "fit, the same in every layer",
        ge=0,
        le=1,
    )
    smoothing: float = option(0.9, "weight of the past in the hotness (alpha; the authors' configuration)", ge=0, lt=1)
    update_steps: int = option(200, "steps from one exchange to the next (T_u; as before)", unit="steps", ge=1)
    margin: float = option(0.01, "by how much an outsider must be hotter (delta; as before)", ge=0, le=1)
    adaptive: bool = option(True, "exchange experts at all; else the precisions of the start stay")
    blocking: bool = option(False, "a layer waits for its exchanges; else they come in the background")


@policies.register("dynaexq")
class DynaExq(BlockPolicy):
    """Nothing is fetched on demand: each expert's one copy on the GPU is at one of two precisions."""

    summary = "all experts on the GPU, the hottest at more bits, exchanged at run time (DynaExq, arXiv 2511.15015)"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = DynaExqOptions
    options: DynaExqOptions

    def prepare(self) -> None:
        context = self.context
        self._high = context.quantization.expert_format
        self._low = find_format(self.options.low_format, context.where, "policy.low_format")
        if self._low.bits >= self._high.bits:
            allowed = f"a format of fewer bits than {self._high.name}"
            raise InputError(context.where, "policy.low_format", self._low.name, allowed)
        for weight_format in (self._high, self._low):
            context.keep_all(weight_format)
        layers, experts = context.demand.layers, context.demand.num_experts
        spares = context.gpu_slots("expert transitions", self._high, IN_FLIGHT)
        count = self._high_experts()
        self._require_room(count)
        high = context.gpu_slots_by_layer("experts at high precision", self._high, count)
        low = context.gpu_slots_by_layer("experts at low precision", self._low, experts - count)
        self._hotness = np.zeros((layers, experts))
        prompt = context.demand.rows(0, 1)
        for cell in each_cell(prompt):
            if len(cell.expert):
                self._hotness[cell.layer[0], cell.expert] = self._mass(cell)
        ranked = np.argsort(-self._hotness, axis=1, kind="stable")
        every = np.arange(layers)[:, None]
        address = np.empty((layers, experts), dtype=np.int64)
        address[every, ranked] = np.concatenate([high, low], axis=1)
        self._is_high = np.zeros((layers, experts), dtype=np.bool_)
        self._is_high[every, ranked[:, :count]] = True
        self.plan.reside(self._high, np.where(self._is_high, address, -1))
        self.plan.reside(self._low, np.where(self._is_high, -1, address))
        self._gpu = self.plan.unit_index(context.gpu.name)
        self._formats = {True: self.plan.format_index(self._high), False: self.plan.format_index(self._low)}
        self._copies = Copies(address, self._formats[False], self._gpu)
        self._copies.weight_format[self._is_high] = self._formats[True]
        self._last_run = np.full((layers, experts), -1, dtype=np.int64)
        self._spares = deque((spare, -1) for spare in spares)
        """Addresses, and the last run that reads each."""

    def formats(self) -> set[WeightFormat]:
        return {self._high, self._low}

    def _high_experts(self) -> int:
        """Of each layer (equation 1, the same in all)."""
        context, experts = self.context, self.context.demand.num_experts
        if self.options.high_share is not None:
            return int(self.options.high_share * experts)
        high, low = (context.expert_bytes(each) for each in (self._high, self._low))
        free = context.addresses.free_bytes(context.gpu_memory) // context.demand.layers
        return int(np.clip((free - experts * low) // (high - low), 0, experts))

    def _require_room(self, count: int) -> None:
        context = self.context
        high, low = (context.expert_bytes(each) for each in (self._high, self._low))
        each_layer = count * high + (context.demand.num_experts - count) * low
        needed, free = context.demand.layers * each_layer, max(context.addresses.free_bytes(context.gpu_memory), 0)
        if needed > free:
            where = f"experts at {self._high.name} and {self._low.name} in {context.gpu_memory}"
            asked = f"{needed / 1e9:.1f} GB needed, {count} of a layer at high precision"
            raise InputError(context.where, where, Plain(asked), f"at most the {free / 1e9:.1f} GB left")

    def _mass(self, cell: DemandRows) -> NDArray[np.float64]:
        """[rows] c of each expert: the gate weight that a token gives it, on average over the tokens."""
        return np.asarray(cell.gate_weight * (self.context.demand.top_k / cell.tokens.sum()))

    def plan_decode(self, rows: DemandRows) -> None:
        for cell in each_cell(rows):
            if len(cell.expert):
                self._plan_cell(cell)

    def _plan_cell(self, cell: DemandRows) -> None:
        step, layer = int(cell.step[0]), int(cell.layer[0])
        self._last_run[layer, cell.expert] = self.plan.next_run + np.arange(len(cell.expert))
        self._copies.run(self.plan, cell)
        self._hotness[layer] *= self.options.smoothing
        self._hotness[layer, cell.expert] += (1 - self.options.smoothing) * self._mass(cell)
        if self.options.adaptive and step and step % self.options.update_steps == 0:
            self.plan.at(step, layer)
            for incumbent, outsider in self.exchanges(layer)[: IN_FLIGHT // 2]:
                self._exchange(layer, incumbent, outsider)

    def exchanges(self, layer: int) -> list[tuple[int, int]]:
        """(incumbent, outsider) in this order: the coldest of the first against the hottest of the others, as long as
        the margin is exceeded."""
        hotness, is_high = self._hotness[layer], self._is_high[layer]
        coldest = [each for each in np.argsort(hotness, kind="stable").tolist() if is_high[each]]
        hottest = [each for each in np.argsort(-hotness, kind="stable").tolist() if not is_high[each]]
        found = []
        for incumbent, outsider in zip(coldest, hottest, strict=False):
            if hotness[outsider] - hotness[incumbent] <= self.options.margin:
                break
            found.append((incumbent, outsider))
        return found

    def _exchange(self, layer: int, incumbent: int, outsider: int) -> None:
        """The demotion first. This step still reads the old copies."""
        left = int(self._copies.address[layer, incumbent]), int(self._last_run[layer, incumbent])
        self._move(layer, incumbent, False, *self._spares.popleft())
        self._spares.append((int(self._copies.address[layer, outsider]), int(self._last_run[layer, outsider])))
        self._move(layer, outsider, True, *left)

    def _move(self, layer: int, expert: int, to_high: bool, target: int, after_run: int) -> None:
        home = self.context.home(layer, expert, self._high if to_high else self._low)
        copy = self.plan.move(layer, expert, home, target, True, after_run, early=self.options.blocking)
        self._copies.put(layer, expert, self._gpu, self._formats[to_high], target, copy.move)
        self._is_high[layer, expert] = to_high
