"""Counts of what takes energy, block by block."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.components import Unit
from moe_cosim.hw_models.dram.row_activations import row_activations
from moe_cosim.hw_models.formats import FP16, WeightFormat
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.programs.program import PURPOSES, Program
from moe_cosim.workloads.run_kinds import AnyScenario

if TYPE_CHECKING:  # compiled: Numba takes a while to import
    from moe_cosim.sim.results.energy.event_counts import Columns, Meanings

SPANS: Final = 64
"""Most equal spans of time that power is told over; at least half as many."""
FIRST_SPAN_PS: Final = 1_000_000
UNKNOWN_TYPE: Final = "other"
"""Of operands that a unit's description gives no energy for."""
_MOST: Final = np.iinfo(np.int64).max
_WIDTH: Final = re.compile(r"\D")
_PARTS: Final = {
    "attention": "attention",
    "shared expert": "shared",
    "dense ffn": "shared",
    "head": "head",
}


class EnergyTally:
    """Sums over all events so far, in whole bytes, operations, picoseconds and thousandths of rows."""

    def __init__(self, scenario: AnyScenario) -> None:
        from moe_cosim.sim.results.energy.event_counts import USES, EventCounts, OverTime

        self._scenario, machine = scenario, scenario.machine
        self.types = _types(machine)
        self.columns, self._tables = _columns(machine, len(self.types)), _tables(scenario, self.types)
        self._formats: set[WeightFormat] = set()
        self.by_use: NDArray[np.int64] = np.zeros((USES, self.columns.total), np.int64)
        span = np.array([FIRST_SPAN_PS], np.int64)
        self._over = OverTime(span, np.zeros((SPANS, self.columns.total), np.int64))
        self._scratch = EventCounts(np.zeros(0, np.int64), np.zeros(0, np.int64))

    @property
    def span_ps(self) -> int:
        """Length of one of the equal spans of `over_time`."""
        return int(self._over.span_ps[0])

    @property
    def over_time(self) -> NDArray[np.int64]:
        """[SPANS, columns]"""
        return self._over.counts

    def learn(self, formats: Iterable[WeightFormat]) -> None:
        """What experts are stored in, before the block that runs them."""
        shape = self._scenario.model.expert
        for each in formats:
            if each not in self._formats:
                self._formats.add(each)
                self._tables.values_of_bits[each.bits] = shape.weights / each.expert_bytes(shape)
                for index, unit in enumerate(self._scenario.machine.units.values()):
                    self._tables.type_of_bits[index, each.bits] = _type_index(self.types, unit, each)
                    self._tables.unpacks_bits[index, each.bits] = _unpacks(unit, each)

    def add(self, program: Program, timeline: Timeline) -> None:
        """The next block of the run."""
        from moe_cosim.sim.results.energy.event_counts import EventCounts, count_energy

        most = 4 + 2 * int(program.events["accesses"].max(initial=0))
        if most > len(self._scratch.column):
            self._scratch = EventCounts(np.zeros(most, np.int64), np.zeros(most, np.int64))
        count_energy(
            program.events, program.accesses, program.tags, timeline.start_ps, timeline.end_ps,
            self._tables, self.columns, self.by_use, self._over, self._scratch,
        )  # fmt: skip


def _types(machine: Machine) -> tuple[str, ...]:
    found = {name: None for unit in machine.units.values() if unit.energy for name, _ in unit.energy.operation_j}
    return (*found, UNKNOWN_TYPE)


def _type_index(types: tuple[str, ...], unit: Unit, weights: WeightFormat) -> int:
    known = dict(unit.energy.operation_j) if unit.energy is not None else {}
    computed = unit.model.computes_as(weights) if unit.model is not None else UNKNOWN_TYPE
    return types.index(computed if computed in known else UNKNOWN_TYPE)


def _unpacks(unit: Unit, weights: WeightFormat) -> bool:
    """Whether such weights are multiplied in a wider type (``bf16``, ``int8``) than they are stored in."""
    computed = unit.model.computes_as(weights) if unit.model is not None else ""
    return weights.bits < int(_WIDTH.sub("", computed) or 0)


def _columns(machine: Machine, types: int) -> Columns:
    from moe_cosim.sim.results.energy.event_counts import Columns

    return Columns.of(len(machine.units), len(machine.memories), types)


def _tables(scenario: AnyScenario, types: tuple[str, ...]) -> Meanings:
    from moe_cosim.sim.results.energy.event_counts import MOST_BITS, PURPOSE_COUNT, Meanings

    machine, parts = scenario.machine, scenario.quantization.parts
    lanes, base, block_bytes, rows_per_byte = _places(machine)
    values = np.zeros(PURPOSE_COUNT)
    of_purpose = np.full((len(machine.units), PURPOSE_COUNT), len(types) - 1)
    unpacks = np.zeros((len(machine.units), PURPOSE_COUNT), np.bool_)
    stored = {purpose: getattr(parts, part) for purpose, part in _PARTS.items()} | {"gate": FP16, "draft": FP16}
    for purpose, weights in stored.items():
        at = PURPOSES.index(purpose)
        values[at] = 8 / weights.bits_per_weight
        of_purpose[:, at] = [_type_index(types, unit, weights) for unit in machine.units.values()]
        unpacks[:, at] = [_unpacks(unit, weights) for unit in machine.units.values()]
    return Meanings(
        unit=lanes,
        base=base,
        block_bytes=block_bytes,
        rows_per_byte=rows_per_byte,
        values_of_bits=np.zeros(MOST_BITS + 1),
        values_of_purpose=values,
        type_of_bits=np.full((len(machine.units), MOST_BITS + 1), len(types) - 1),
        type_of_purpose=of_purpose,
        unpacks_bits=np.zeros((len(machine.units), MOST_BITS + 1), np.bool_),
        unpacks_purpose=unpacks,
        step_ps=np.array([scenario.software.step_ps], np.int64),
        attention=_attention(scenario.model, scenario.workload.prompt_tokens, parts.kv),
    )


def _attention(model: Model, prompt_tokens: int, kv: WeightFormat) -> NDArray[np.float64]:
    """[2] operations of one prompt token's attention in a layer (to half of the prompt, on average), and per byte of
    keys and values that decode reads: means over the model's layers."""
    layers, per_token, decoded, decoded_bytes = 0, 0.0, 0.0, 0.0
    for attention in model.attentions:
        count = len(model.layers_with(attention))
        layers += count
        per_token += count * prompt_tokens * attention.prompt_core.products_per_pair
        decoded += count * 2 * attention.core.products_per_pair
        decoded_bytes += count * attention.core.values_per_key * kv.bits_per_weight / 8
    return np.array([per_token / max(layers, 1), decoded / decoded_bytes if decoded_bytes else 0.0])


@lru_cache(maxsize=2)
def _places(
    machine: Machine,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The unit of each lane; where memories begin, in the order of addresses; their classes of blocks and the rows
    that a byte of such a block opens."""
    units = {name: index for index, name in enumerate(machine.units)}
    memories = sorted(machine.memory_list, key=lambda memory: memory.base_address)
    found = [row_activations(memory) for memory in memories]
    classes = max(len(each.block_bytes) for each in found)
    block_bytes = np.full((len(memories), classes), _MOST, np.int64)
    per_byte = np.zeros((len(memories), 2, classes))
    for index, each in enumerate(found):
        own = len(each.block_bytes)
        block_bytes[index, :own] = each.block_bytes
        per_byte[index, :, :own] = each.read, each.write
        per_byte[index, :, own:] = per_byte[index, :, own - 1 : own]  # of whole ranges
    base = np.array([memory.base_address for memory in memories] + [_MOST], np.int64)
    return np.array([units[unit] for unit, _ in machine.lanes], np.int64), base, block_bytes, per_byte
