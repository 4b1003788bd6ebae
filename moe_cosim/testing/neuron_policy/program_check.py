"""What the program of a policy of neurons reads, and when: every weight that is computed with once, from beside who
computes, and never before it has come."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.neurons.plan import STAGES, NeuronPlan
from moe_cosim.workloads.neurons.prepare import PreparedNeurons
from moe_cosim.workloads.programs.program import CONTENTS, COPY, PURPOSES, READ, STREAM

I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
_WEIGHTS: Final = CONTENTS.index("weights")
_KV: Final = CONTENTS.index("kv")


class ProgramTables:
    """A program's kernels and what they read, by who computes."""

    def __init__(self, found: PreparedNeurons) -> None:
        self._found, self.program = found, found.whole.program
        events = self.program.events
        self.tags = self.program.tags[events["tag"]]
        self.kernels: Bools = events["kind"] == STREAM
        gpu = found.machine.main_unit.name
        self.on_gpu: Bools = np.array([unit == gpu for unit, _ in self.program.lanes])[events["lane"]]
        reads = self.program.accesses["op"] == READ
        self._weights, self._kv = (
            self._per_event(reads & (self.program.accesses["what"] == what)) for what in (_WEIGHTS, _KV)
        )

    def _per_event(self, chosen: Bools) -> I64:
        """Bytes of the chosen accesses of each event."""
        events = self.program.events
        first = events["first_access"].astype(np.int64)
        total = np.concatenate([[0], np.cumsum(np.where(chosen, self.program.accesses["bytes"], 0).astype(np.int64))])
        found: I64 = total[first + events["accesses"]] - total[first]
        return found

    def purpose(self, *names: str) -> Bools:
        """[events] whether an event is of one of these purposes."""
        return np.isin(self.tags["purpose"], [PURPOSES.index(name) for name in names])

    def check_weights(self, plan: NeuronPlan) -> None:
        """In each decode step kernels read the weights of the neurons that the plan says, on either side, and the
        tables once; the prefill reads every layer once."""
        model = self._found.scenario.neurons
        sizes = np.array([model.blocks[0].bytes_per_neuron, 2 * model.hidden, model.blocks[1].bytes_per_neuron])
        assert len(sizes) == len(STAGES)
        in_layers = self.purpose("attention", "dense ffn", "combine") & self.kernels
        for at, step in enumerate(plan.steps):
            of_step = in_layers & (self.tags["step"] == step)
            for on_gpu, neurons in ((True, plan.gpu_neurons[at]), (False, plan.near_neurons[at].sum(axis=2))):
                read = int(self._weights[of_step & (self.on_gpu == on_gpu)].sum())
                assert read == int((neurons * sizes).sum()), f"step {step}, {'GPU' if on_gpu else 'units beside it'}"
            head = int(self._weights[self.purpose("head") & (self.tags["step"] == step)].sum())
            assert head == model.table_bytes, f"step {step}: the head is read once"
        prefill = in_layers & (self.tags["step"] == 0)
        assert int(self._weights[prefill].sum()) == model.layers * model.layer_bytes
        assert not self._weights[prefill & ~self.on_gpu].any(), "the prompt is the GPU's"

    def check_keys_and_values(self) -> None:
        """Each layer of a decode step reads what was kept of every token before it, once."""
        found = self._found
        work, model = found.scenario.workload, found.scenario.neurons
        units = len(found.policy.near)
        each = -(-model.kv_bytes_per_token * work.batch // units)
        for step in range(1, 1 + found.scenario.decode.count):
            read = int(self._kv[self.kernels & (self.tags["step"] == step)].sum())
            seen = work.decode_context + step - 1
            assert read == model.layers * units * each * seen, f"step {step}"

    def check_places(self) -> None:
        """A unit's kernels read and write its own memory alone, and everything lies in a region of the layout."""
        found, events, accesses = self._found, self.program.events, self.program.accesses
        memory = found.machine.memory_index(accesses["address"])
        last = found.machine.memory_index(accesses["address"] + np.maximum(accesses["bytes"], 1) - 1)
        assert (memory >= 0).all(), "an access to no memory"
        assert (memory == last).all(), "an access over the end of a memory"
        names = [each.name for each in found.machine.memory_list]
        for row in np.flatnonzero(self.kernels & (events["accesses"] > 0)).tolist():
            unit = found.machine.units[self.program.lanes[events["lane"][row]][0]]
            mine = memory[events["first_access"][row] + np.arange(events["accesses"][row])]
            assert {names[each] for each in mine.tolist()} == {unit.local_memory}, f"{unit.name} reads elsewhere"

    def check_order(self, timeline: Timeline) -> None:
        """Layers of a step follow each other, steps too; what is copied to be computed with in a layer's last stage
        has come when it begins."""
        steps, layers = self.tags["step"], self.tags["layer"]
        ended = 0
        for step in range(1, 1 + self._found.scenario.decode.count):
            for layer in range(-1, self._found.scenario.neurons.layers + 1):
                rows = self.kernels & (steps == step) & (layers == layer)
                assert rows.any(), f"step {step}, layer {layer}: no kernel"
                assert int(timeline.start_ps[rows].min()) >= ended, f"step {step}, layer {layer} begins too early"
                ended = int(timeline.end_ps[rows].max())
        copies = self.purpose("move weights") & (self.program.events["kind"] == COPY) & (steps > 0)
        to_gpu = np.array([unit.startswith("gpu") for unit, _ in self.program.lanes])[self.program.events["lane"]]
        computes = self.purpose("dense ffn") & self.kernels
        for row in np.flatnonzero(copies).tolist():
            later = computes & (steps == steps[row]) & (layers == layers[row]) & (self.on_gpu == to_gpu[row])
            if later.any():
                assert int(timeline.start_ps[later].min()) >= int(timeline.end_ps[row]), f"copy {row} comes too late"
