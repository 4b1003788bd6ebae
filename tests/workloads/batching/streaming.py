"""A policy that only streams, and small runs of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.options import Options, option
from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.batching.batching import Batching, Outset
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.plan import Plan
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.parts.layer_stream import LayerStreamPolicy
from moe_cosim.workloads.programs.program import COPY, PURPOSES, STREAM, Program
from moe_cosim.workloads.routing.routing import Routing
from moe_cosim.workloads.scenario import Scenario
from tests.workloads.hand_made import decided, lower_plan

MACHINE = "rtx4090-xeon-6454s"
NAME = "streaming for tests"
EXPERTS, LAYERS = 4, 2


class StreamingOptions(Options):
    dense_resident: float = option(1.0, "as in Batching")
    kv_resident: float = option(1.0, "as in Batching")
    cpu_attention: float = option(0.0, "as in Batching")
    micro_batch: int | None = option(None, "as in Batching")
    experts_at_once: bool = option(True, "as in Batching")
    cpu_prefill: bool = option(False, "as in Batching")
    prompt_score_bytes: float = option(0.0, "as in Batching")
    gpu_experts: int = option(EXPERTS, "of each layer; the others are loaded")


class Streaming(LayerStreamPolicy):
    summary = "loads what its options say, and chooses nothing"
    homes = ("host",)
    options_class = StreamingOptions
    options: StreamingOptions

    @classmethod
    def batching(cls, outset: Outset) -> Batching:
        found = outset.read(StreamingOptions)
        return Batching(
            found.dense_resident,
            found.kv_resident,
            found.cpu_attention,
            found.micro_batch,
            found.experts_at_once,
            prompt_score_bytes=found.prompt_score_bytes,
            cpu_prefill=found.cpu_prefill,
        )

    def prepare(self) -> None:
        demand = self.context.demand
        held = np.tile(np.arange(demand.num_experts) < self.options.gpu_experts, (demand.layers, 1))
        self.take_layers(self.context.quantization.expert_format, held)


def known() -> AbstractContextManager[object]:
    """While it lasts experiments may name it; lists of what ships stay as they are."""
    policies.names()  # all others are there
    return patch.dict(policies._entries, {NAME: Streaming})


@dataclass(frozen=True)
class Ran:
    """A small run: what was decided, its events, and when they took place."""

    scenario: Scenario
    plan: Plan
    program: Program
    timeline: Timeline

    @property
    def machine(self) -> Machine:
        return self.scenario.machine

    @property
    def tags(self) -> NDArray[np.void]:
        """[events]."""
        return self.program.tags[self.program.events["tag"]]

    def rows(self, purpose: str, kind: int, unit: str = "") -> NDArray[np.int64]:
        """Events of that purpose and kind, of one unit if it is named."""
        of_unit = np.array([not unit or name == unit for name, _ in self.program.lanes])
        events = self.program.events
        chosen = (self.tags["purpose"] == PURPOSES.index(purpose)) & (events["kind"] == kind)
        return np.flatnonzero(chosen & of_unit[events["lane"]])

    def copied(self, source: str, target: str, purpose: str) -> int:
        """Bytes of copies from memory to memory."""
        names, total = [memory.name for memory in self.machine.memory_list], 0
        for row in self.rows(purpose, COPY):
            first = int(self.program.events["first_access"][row])
            ends = self.program.accesses[first : first + int(self.program.events["accesses"][row])]
            memories = self.machine.memory_index(ends["address"])
            for at in range(0, len(ends), 2):
                if (names[memories[at]], names[memories[at + 1]]) == (source, target):
                    total += int(ends["bytes"][at])
        return total

    def step_ps(self, step: int) -> int:
        """From the end of the step before's head to the end of its own."""
        heads = self.rows("head", STREAM)
        ends = self.timeline.end_ps[heads]
        return int(ends[step] - ends[step - 1])


def routed(batch: int, prompt: int, steps: int, layers: int = LAYERS) -> Routing:
    """Each sequence asks in every layer for two experts that are next to each other, all together for all of them."""
    chosen = np.array([(index % EXPERTS, (index + 1) % EXPERTS) for index in range(batch)], dtype=np.uint16)
    first = np.broadcast_to(chosen[:, None, None], (batch, prompt, layers, 2)).copy()
    rest = np.broadcast_to(chosen[None, :, None], (steps, batch, layers, 2)).copy()
    weights = [np.full(each.shape, 0.5, np.float32) for each in (first, rest)]
    found = Routing(first, weights[0], rest, weights[1], EXPERTS, "by hand")
    found.validate()
    return found


def ran(
    options: Mapping[str, Any],
    batch: int = 8,
    prompt: int = 4,
    steps: int = 3,
    of_model: Model | None = None,
    machine: str = MACHINE,
    machine_set: Mapping[str, Any] | None = None,
) -> Ran:
    """So many decode steps, without what software takes."""
    with known():
        found = decided(
            routed(batch, prompt, steps),
            NAME,
            options,
            machine=machine,
            machine_set=machine_set,
            of_model=of_model,
            software="ideal",
        )
    program = lower_plan(found.scenario, found.plan)
    program.validate()
    timeline = engines.get("embedded")().run(found.scenario.machine, program)
    return Ran(found.scenario, found.plan, program, timeline)
