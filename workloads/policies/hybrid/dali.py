"""DALI: each layer's experts are dealt to GPU and CPU anew, by what they cost there; a cache follows the workload.

Source: Zhu et al., "DALI: A Workload-Aware Offloading Framework for Efficient MoE Inference on Local PCs" (arXiv
2602.03495), second-hand (summaries in public repositories, and a port of its algorithm 2 in one of them): a layer's
chosen experts are assigned to minimise the larger of the two sides' sums, greedily, by the difference of their times on
both; the next layer's expert of the largest predicted workload is fetched ahead, one, which was best; each layer has a
cache of fixed size that adds up workloads over a window of steps and then exchanges a few experts, the busiest outside
for the least busy inside.

Inferred: on the GPU an expert that is not there takes the longer of its transfer and its kernel, since transfers run
beside kernels; the greedy order is that of the largest difference first, each to the side that then ends sooner; caches
begin with each layer's first experts; an exchange needs the one outside to be busier; window, exchanges and accuracy.
The residual vectors by which the paper predicts are the accuracy assumed below.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from moe_cosim.assumptions import Assumption
from moe_cosim.hw_models.alone import move_alone_ps, time_alone_ps
from moe_cosim.options import EXPERTS, Options, option
from moe_cosim.workloads.demand import LayerDemand
from moe_cosim.workloads.plan import Copy
from moe_cosim.workloads.policies.base import Policy, policies
from moe_cosim.workloads.policies.parts.speculation import Speculation
from moe_cosim.workloads.policies.parts.staging import RING_EXPERTS, StagingRing

ACCURACY = Assumption(
    "dali-prefetch-accuracy",
    0.8,
    (0.0, 1.0),
    "how often the next layer's busiest expert is the one that is fetched ahead; the paper says that its prediction is "
    "7 to 16 % better than HybriMoE's (arXiv 2602.03495, second-hand), not how good",
)


class DaliOptions(Options):
    cache_experts: int | None = option(
        None, "experts of each layer in the GPU's memory; null: as many as fit", unit="experts", ge=0, at_most=EXPERTS
    )
    window_steps: int = option(4, "steps over which workloads are added up before experts are exchanged", ge=1)
    exchanged_experts: int = option(1, "experts of a layer exchanged at the end of a window, at most", ge=0)
    prefetch_experts: int = option(
        1, "of the next layer's experts, the busiest that are fetched ahead", unit="experts", ge=0, at_most=EXPERTS
    )
    assignment: Literal["greedy", "gpu", "cpu"] = option(
        "greedy",
        "who takes an expert: greedy: by what it costs on either side; gpu: the GPU all, fetching what is missing; "
        "cpu: the CPU all that are neither cached nor fetched ahead",
    )


@policies.register("dali")
class Dali(Policy):
    """The same rules in prefill and decode; nothing is fetched ahead in the prefill."""

    summary = "experts dealt to GPU and CPU by cost, cache by recent workload (DALI, arXiv 2602.03495)"
    homes = ("host", "cxl", "near-data", "mixed")
    options_class = DaliOptions
    assumptions = (ACCURACY,)
    options: DaliOptions

    def prepare(self) -> None:
        context = self.context
        self._format = context.quantization.expert_format
        self._cpu = context.require_cpu("dali").name
        context.keep_all(self._format)
        fit = context.gpu_slots_that_fit(self._format)
        ahead = 2 * self.options.prefetch_experts
        context.require_slots(fit, 1 + ahead, "staging and prefetched experts")
        ring = min(RING_EXPERTS, fit - ahead)
        self._ring = StagingRing(self.plan, context.gpu_slots("staging area", self._format, ring))
        self._ahead = context.gpu_slots("prefetched experts", self._format, ahead)
        self._take_caches(fit - ring - ahead)
        self._guesses = Speculation(context.demand, context.number(ACCURACY), context.seed, ahead=1)
        self._fetched: dict[tuple[int, int], Copy] = {}
        """By layer and expert: what was fetched ahead for the layer that comes."""
        self._coming: tuple[int, dict[int, list[int]]] = -1, {}
        """A step, and each layer's experts in it, the busiest first."""
        self._spans_ps = [0.0, 0.0]
        """Of all layers: what the assignments take, and what none can take less than."""
        self._costs(context.expert_bytes(self._format))

    def _take_caches(self, fit: int) -> None:
        """Each layer's first experts, in place from the start."""
        context, layers, experts = self.context, self.context.demand.layers, self.context.demand.num_experts
        each = fit // layers if self.options.cache_experts is None else self.options.cache_experts
        each = min(each, experts)
        slots = context.gpu_slots_by_layer("expert cache", self._format, each)
        addresses = np.full((layers, experts), -1, np.int64)
        addresses[:, :each] = slots
        self.plan.reside(self._format, addresses)
        of = self.plan.format_index(self._format)
        self._cached = [
            {expert: Copy(of, int(slots[layer, expert])) for expert in range(each)} for layer in range(layers)
        ]
        self._scores = np.zeros((layers, experts))
        self._last_run: dict[int, int] = {}

    def _costs(self, size: int) -> None:
        """What an expert of so many bytes takes to reach the GPU, and each side to read it, alone."""
        context, machine = self.context, self.context.machine
        home = context.home_memories[0]
        self._transfer_ps = move_alone_ps(machine, home, context.gpu_memory, size)
        self._sides = [
            (machine.units[unit].model, time_alone_ps(machine, unit, {memory: size}))
            for unit, memory in ((context.gpu.name, context.gpu_memory), (self._cpu, home))
        ]

    def _times_ps(self, tokens: list[int]) -> tuple[list[int], list[int]]:
        """Of experts with so many `tokens` each: on the GPU, where they lie there, and on the CPU."""
        counts, found = np.array(tokens, np.int64), []
        for model, reading in self._sides:
            assert model is not None  # a GPU and a CPU compute
            found.append(np.maximum(model.expert_ps(counts, self.context.model.expert, self._format), reading).tolist())
        return found[0], found[1]

    def plan_layer(self, demand: LayerDemand) -> None:
        cached, layer = self._cached[demand.layer], demand.layer
        near = {expert for expert in demand.experts if expert in cached or (layer, expert) in self._fetched}
        gpu_ps, cpu_ps = self._times_ps(demand.tokens)
        on_gpu_ps = [
            took if expert in near else max(took, self._transfer_ps)
            for expert, took in zip(demand.experts, gpu_ps, strict=True)
        ]
        on_gpu = self._assigned(on_gpu_ps, cpu_ps, [expert in near for expert in demand.experts])
        rows = list(zip(demand.experts, demand.tokens, on_gpu, strict=True))
        for expert, tokens, chosen in rows:
            if not chosen:
                self.plan.run(expert, tokens, self._cpu, self.context.home(layer, expert, self._format))
        for expert, tokens, chosen in sorted(rows, key=lambda row: row[0] not in near):
            if chosen:
                self._run_on_gpu(layer, expert, tokens)
        self._fetched.clear()
        self._scores[layer, demand.experts] += demand.tokens
        if self.options.prefetch_experts and demand.step > 0:
            self._fetch_ahead(demand)
        if (demand.step + 1) % self.options.window_steps == 0:
            self._exchange(layer)

    def _run_on_gpu(self, layer: int, expert: int, tokens: int) -> None:
        copy = self._cached[layer].get(expert) or self._fetched.get((layer, expert))
        passing = copy is None
        if copy is None:
            copy = self._ring.fetch(layer, expert, self.context.home(layer, expert, self._format))
        row = self.plan.run(expert, tokens, self.context.gpu.name, copy)
        self._last_run[copy.address] = row
        if passing:
            self._ring.ran(copy, row)

    def _assigned(self, on_gpu_ps: list[int], cpu_ps: list[int], near: list[bool]) -> list[bool]:
        """[experts] whether the GPU takes each."""
        kind = self.options.assignment
        if kind != "greedy":
            return [kind == "gpu" or there for there in near]
        found = dealt(on_gpu_ps, cpu_ps)
        sides = [sum(gpu if on_gpu else 0 for gpu, on_gpu in zip(on_gpu_ps, found, strict=True))]
        sides.append(sum(0 if on_gpu else cpu for cpu, on_gpu in zip(cpu_ps, found, strict=True)))
        self._spans_ps[0] += max(sides)
        self._spans_ps[1] += least_span(on_gpu_ps, cpu_ps)
        return found

    def report(self) -> dict[str, float]:
        dealt_ps, least_ps = self._spans_ps
        return {"share of the best assignment's speed, at least": least_ps / dealt_ps} if dealt_ps else {}

    def _fetch_ahead(self, demand: LayerDemand) -> None:
        """The next layer's busiest experts, where they are guessed and not cached."""
        after, count = demand.layer + 1, self.options.prefetch_experts
        if after >= self.context.demand.layers:
            return
        busiest = self._busiest(demand.step, after)[:count]
        guesses = self._guesses.experts(demand.step, after)
        wrong = [expert for expert in guesses if expert not in busiest]
        wanted = [*(expert for expert in busiest if expert in guesses), *wrong][: len(busiest)]
        for number, expert in enumerate(wanted):
            if expert in self._cached[after]:
                continue
            target = self._ahead[after % 2 * count + number]
            source = self.context.home(after, expert, self._format)
            after_run = self._last_run.get(target, -1)
            self._fetched[after, expert] = self.plan.move(
                after, expert, source, target, prefetch=True, after_run=after_run
            )

    def _busiest(self, step: int, layer: int) -> list[int]:
        """Those that the layer's tokens will choose, the most tokens first."""
        if self._coming[0] != step:
            cells = self.context.demand.step(step)
            self._coming = step, {cell.layer: [expert for expert, _ in cell.busiest_first()] for cell in cells}
        return self._coming[1][layer]

    def _exchange(self, layer: int) -> None:
        """The busiest experts outside for the least busy inside; then the window begins anew."""
        cached, scores = self._cached[layer], self._scores[layer]
        outside = sorted((expert for expert in range(len(scores)) if expert not in cached), key=lambda e: -scores[e])
        inside = sorted(cached, key=lambda expert: scores[expert])
        for comes, leaves in list(zip(outside, inside, strict=False))[: self.options.exchanged_experts]:
            if scores[comes] > scores[leaves]:
                target = cached.pop(leaves).address
                source = self.context.home(layer, comes, self._format)
                after_run = self._last_run.get(target, -1)
                cached[comes] = self.plan.move(layer, comes, source, target, prefetch=True, after_run=after_run)
        scores[:] = 0


def dealt(gpu_ps: list[int], cpu_ps: list[int]) -> list[bool]:
    """[experts] whether the GPU takes each: by decreasing difference of times, to the side that then ends sooner."""
    order = sorted(range(len(gpu_ps)), key=lambda index: -abs(cpu_ps[index] - gpu_ps[index]))
    gpu_end = cpu_end = 0
    found = [False] * len(gpu_ps)
    for index in order:
        found[index] = gpu_end + gpu_ps[index] <= cpu_end + cpu_ps[index]
        if found[index]:
            gpu_end += gpu_ps[index]
        else:
            cpu_end += cpu_ps[index]
    return found


def least_span(gpu_ps: list[int], cpu_ps: list[int]) -> float:
    """A bound from below on the larger of both sides' sums, whatever the assignment: that of experts that may be
    split, of which those that the GPU takes have the least of its time for the CPU's."""
    rows = sorted(zip(gpu_ps, cpu_ps, strict=True), key=lambda row: row[0] / row[1])
    gpu_end, cpu_end = 0.0, float(sum(cpu_ps))
    for gpu, cpu in rows:
        if gpu_end + gpu >= cpu_end - cpu:
            share = (cpu_end - gpu_end) / (gpu + cpu)
            return gpu_end + share * gpu
        gpu_end, cpu_end = gpu_end + gpu, cpu_end - cpu
    return gpu_end
