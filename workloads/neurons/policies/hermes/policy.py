"""Hermes (HPCA 2025, arXiv 2502.16963): hot neurons on the GPU, cold ones in the DIMMs.

Published: the offline map by an integer program (IV-B), the predictor and the exchange of hot neurons while the GPU
projects (IV-C), the remapping of cold ones over DIMM-Link every five tokens (IV-D), attention and keys and values in
the DIMMs, merging there (IV-A). All weights lie in the DIMMs, those of hot neurons also in the GPU's memory.

*Inferred*: the two blocks of a layer, which run one after the other, are a stage each in equation 1; neighbours lie in
one DIMM; the first layer, which has none before it, is predicted by its state alone; what is predicted and not active
is read and computed for one token, what is active and not predicted is computed too (the paper: 98 % right, no loss of
accuracy); neurons are exchanged as far as the copy fits into the projection; heads are dealt over the DIMMs.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.alone import time_alone_ps
from moe_cosim.hw_models.components import Unit
from moe_cosim.hw_models.machine import Machine
from moe_cosim.options import Options, option
from moe_cosim.workloads.lowering.scene import model_of
from moe_cosim.workloads.neurons.plan import MLP, PROJECTION, QKV, NeuronPlan, Placement
from moe_cosim.workloads.neurons.policies.base import NeuronPolicy, neuron_policies
from moe_cosim.workloads.neurons.policies.hermes import predictor
from moe_cosim.workloads.neurons.policies.hermes.adjustment import swapped
from moe_cosim.workloads.neurons.policies.hermes.costs import MapProblem, neuron_ps
from moe_cosim.workloads.neurons.policies.hermes.offline_map import (
    at_random,
    beside_units,
    by_integer_program,
    hottest_first,
)
from moe_cosim.workloads.neurons.policies.hermes.remapping import WINDOW, remapped
from moe_cosim.workloads.neurons.policies.hermes.tally import HermesTally

Bools = NDArray[np.bool_]
I64 = NDArray[np.int64]

_MANY_BYTES = 1 << 26


class HermesOptions(Options):
    map: Literal["optimal", "ilp", "random"] = option(
        "optimal", "offline map: the integer program's optimum in closed form, by HiGHS, or any neurons"
    )
    adjust: bool = option(True, "exchange neurons of the GPU for those that became hot")
    remap: bool = option(True, "move cold neurons between the units every window")
    beside: Literal["near-data", "host"] = option(
        "near-data", "who computes cold neurons: NDP units, or the host's CPU (Hermes-host)"
    )


@neuron_policies.register("hermes")
class Hermes(NeuronPolicy):
    """Its parts can be switched off, as the paper's ablation does."""

    summary = "hot neurons on the GPU, cold ones near the data, predicted and remapped (arXiv 2502.16963)"
    options_class = HermesOptions
    options: HermesOptions

    def units_beside(self, machine: Machine) -> tuple[Unit, ...]:
        if self.options.beside == "near-data":
            return super().units_beside(machine)
        if not machine.host_units:
            lacks = Plain(f"{machine.name}, which has no CPU unit")
            raise InputError(self.scenario.where, "machine", lacks, "a machine with a CPU unit (policy.beside: host)")
        return machine.host_units[:1]

    def prepare(self) -> None:
        activity, machine = self.scenario.activity, self.scenario.machine
        self._clusters = activity.clusters
        self._problem = self._map_problem()
        self._hot = self._map()
        frequency = activity.profile.frequency
        self._beside = beside_units(frequency, self._hot, self._clusters, len(self.near))
        if self.options.map == "random":
            random = np.random.Generator(np.random.PCG64(self.scenario.experiment.seed))
            self._beside = random.permuted(self._beside, axis=1)
        self._states = predictor.first_states(activity.prompt_frequency)
        self._window = np.zeros(self._hot.shape, np.int64)
        self._swap_bytes = self._bytes_while_projecting(machine)
        self._tally = HermesTally(self._clusters, len(self.near))

    def placement(self) -> Placement:
        model, loaded = self.scenario.neurons, self._hot * self._clusters.bytes
        streamed = np.full(model.layers, model.layer_bytes - model.projection_bytes, np.int64)
        return Placement(streamed, loaded.sum(axis=1))

    def plan_steps(self, first: int, last: int) -> NeuronPlan:
        model, units = self.scenario.neurons, len(self.near)
        shape = (last - first, model.layers, 3)
        plan = NeuronPlan(
            range(first, last),
            tuple(unit.name for unit in self.near),
            np.zeros(shape, np.int64),
            np.zeros((*shape, units), np.int64),
            np.zeros((*shape, units), np.int64),
            np.zeros((last - first, model.layers, units), np.int64),
            np.zeros((last - first, model.layers, units, units), np.int64),
        )
        plan.gpu_neurons[:, :, PROJECTION] = model.heads * model.attention.head_dim
        for step in range(first, last):
            self._plan_step(plan, step)
        return plan

    def report(self) -> dict[str, float]:
        return self._tally.report()

    # -- the offline map -------------------------------------------------------------------------

    def _map_problem(self) -> MapProblem:
        scenario = self.scenario
        gpu, near = neuron_ps(scenario.machine, scenario.neurons, self.near[0], scenario.workload.batch)
        frequency = scenario.activity.profile.frequency.astype(np.float64)
        return MapProblem(frequency, self._clusters, gpu, near, len(self.near), self.sync_ps, self.layout.hot_bytes)

    def _map(self) -> Bools:
        if self.options.map == "random":
            return at_random(self._problem, self.scenario.experiment.seed)
        if self.options.map == "ilp":
            return by_integer_program(self._problem, self.scenario.where)
        return hottest_first(self._problem)

    # -- decode ----------------------------------------------------------------------------------

    def _plan_step(self, plan: NeuronPlan, step: int) -> None:
        """What runs where in one step; then the states, the exchange and the remapping for those that follow."""
        activity, at = self.scenario.activity, step - plan.steps.start
        tokens = activity.tokens[step - 1].astype(np.int64)
        active = tokens > 0
        likely = predictor.predicted(self._states, active, activity.profile.correlated)
        computed = np.where(likely, np.maximum(tokens, 1), tokens)
        if self.options.adjust:  # the copies are there for the second block of this step, and the first of the next
            qkv_hot = self._hot.copy()
            self._exchange(plan, at)
            self._assign(plan, at, QKV, qkv_hot, computed)
        else:
            self._assign(plan, at, QKV, self._hot, computed)
        self._assign(plan, at, MLP, self._hot, computed)
        self._tally.add(active, likely, self._hot, tokens, self._beside)
        self._states = predictor.next_states(self._states, active)
        self._window += active
        if step % WINDOW == 0:
            self._tally.end_window()
            if self.options.remap and len(self.near) > 1:
                self._remap(plan, at)
            self._window[:] = 0

    def _assign(self, plan: NeuronPlan, at: int, stage: int, hot: Bools, computed: I64) -> None:
        mine = self._clusters.slices[0 if stage == QKV else 1]
        needed = (computed[:, mine] > 0) * self._clusters.neurons[mine]
        products = computed[:, mine] * self._clusters.neurons[mine]
        cold, layers = ~hot[:, mine], len(hot)
        plan.gpu_neurons[at, :, stage] = (needed * ~cold).sum(axis=1)
        units = len(self.near)
        key = self._beside[:, mine] + units * np.arange(layers)[:, None]
        for target, amount in ((plan.near_neurons, needed * cold), (plan.near_products, products * cold)):
            counts = np.bincount(key.ravel(), weights=amount.ravel(), minlength=units * layers)
            target[at, :, stage] = counts.reshape(layers, units).astype(np.int64)

    def _exchange(self, plan: NeuronPlan, at: int) -> None:
        """Copies to the GPU. What they replace there is only written over, for all weights lie beside the units."""
        come, go = swapped(self._states, self._hot, self._clusters.bytes, self._swap_bytes)
        for unit in range(len(self.near)):
            plan.swapped_bytes[at, :, unit] = ((come & (self._beside == unit)) * self._clusters.bytes).sum(axis=1)
        self._hot = (self._hot | come) & ~go
        self._tally.swapped_bytes += int(plan.swapped_bytes[at].sum())

    def _remap(self, plan: NeuronPlan, at: int) -> None:
        """Moved while the GPU projects, and there for the second block of this step's layers' next token."""
        units = len(self.near)
        activity = np.where(self._hot, 0, self._window) * self._clusters.neurons
        for layer in range(len(self._hot)):
            for mine in self._clusters.slices:
                before = self._beside[layer, mine]
                after = remapped(before, activity[layer, mine], units)
                moved = np.flatnonzero(before != after)
                pair = before[moved] * units + after[moved]
                size = np.bincount(pair, weights=self._clusters.bytes[mine][moved], minlength=units * units)
                plan.moved_bytes[at, layer] += size.reshape(units, units).astype(np.int64)
                self._beside[layer, mine] = after
        self._tally.moved_bytes += int(plan.moved_bytes[at].sum())

    def _bytes_while_projecting(self, machine: Machine) -> int:
        """What the link brings to the GPU while it projects."""
        model, gpu = self.scenario.neurons, machine.main_unit
        inner = model.heads * model.attention.head_dim
        busy = int(model_of(gpu).dense_ps(self.scenario.workload.batch, inner, model.hidden))
        window = time_alone_ps(machine, gpu.name, {gpu.local_memory: model.projection_bytes}, busy)
        parts = {unit.local_memory: _MANY_BYTES // len(self.near) for unit in self.near}
        return int(_MANY_BYTES * window / time_alone_ps(machine, gpu.name, parts))
