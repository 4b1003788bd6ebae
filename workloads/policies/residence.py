"""Where the full set of experts lives: in which memories, and each expert in which of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from moe_cosim.errors import InputError, one_of
from moe_cosim.hw_models.machine import Machine

HOMES: Final = {
    "near-data": "an NDP unit",
    "cxl": "CXL memory",
    "host": "host memory",
    "mixed": "host memory and an NDP unit",
    "gpu": "a GPU",
    "flash": "flash memory",
}
"""What an experiment may name as ``policy.home``, and what a machine must have for it."""


@dataclass(frozen=True)
class Residence:
    """`memories` of the full set of experts, each once, and how many experts each gets by comparison."""

    memories: tuple[str, ...]
    weights: tuple[int, ...]

    @property
    def is_even(self) -> bool:
        """Whether all memories hold alike, as striped copies need it."""
        return len(set(self.weights)) == 1

    def of_experts(self, count: int) -> tuple[str, ...]:
        """The memory of each expert of a layer: each goes where the most is missing so far.

        Equal weights deal the experts round in turn.
        """
        total, given, found = sum(self.weights), [0] * len(self.weights), []
        for dealt in range(1, count + 1):
            missing = [weight * dealt - total * had for weight, had in zip(self.weights, given, strict=True)]
            chosen = missing.index(max(missing))
            given[chosen] += 1
            found.append(self.memories[chosen])
        return tuple(found)


def residence(machine: Machine, asked: object, homes: Sequence[str], policy: str, where: object) -> Residence:
    """The home the experiment asks for (None: nothing), else the first of `homes` that the machine has.

    ``mixed`` deals whole experts over host and near-data memories in proportion to their capacity.
    Raises `InputError` where the policy does not take that home or the machine does not have it.
    """
    if asked is not None and asked not in homes:
        raise InputError(where, "policy.home", asked, f"{one_of(homes, str(asked))} (policy {policy})")
    wanted = homes if asked is None else [str(asked)]
    for home in wanted:
        memories = _memories(machine, home)
        if memories:
            uneven = home == "mixed"
            return Residence(
                tuple(memories), tuple(machine.memories[name].capacity_bytes if uneven else 1 for name in memories)
            )
    needed = " or ".join(HOMES[home] for home in wanted if home != "mixed" or asked is not None)
    field, found = ("machine", machine.name) if asked is None else ("policy.home", asked)
    raise InputError(where, field, found, f"a machine with {needed} (policy {policy})")


def _memories(machine: Machine, home: str) -> list[str]:
    """None: the machine does not have that home."""
    if home == "near-data":
        return list(dict.fromkeys(unit.local_memory for unit in machine.near_data_units))
    if home == "gpu":
        return [machine.main_unit.local_memory]
    if home == "mixed":
        host, near = _memories(machine, "host"), _memories(machine, "near-data")
        return [*host, *near] if host and near else []
    return [memory.name for memory in machine.memories.values() if memory.kind == home]
