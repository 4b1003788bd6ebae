"""The routing seeds that a reproduction is run with."""

from __future__ import annotations

from typing import Final

from moe_cosim.errors import InputError
from moe_cosim.sim.reproduce.runs import RunKey, key

MOST_SEEDS: Final = 1000
COUNTS: Final = f"a whole number from 1 to {MOST_SEEDS}"
_LARGEST: Final = 2**31 - MOST_SEEDS
"""First seed: an experiment's are of 31 bits."""
FIRSTS: Final = f"a whole number from 0 to {_LARGEST}"


def routing_seeds(first: int, count: int) -> range:
    """`count` seeds from `first` on. Raises `InputError` for others than `COUNTS` and `FIRSTS`."""
    if not _whole(count) or not 1 <= count <= MOST_SEEDS:
        raise InputError("reproduce", "seeds", count, COUNTS)
    if not _whole(first) or not 0 <= first <= _LARGEST:
        raise InputError("reproduce", "seed", first, FIRSTS)
    return range(first, first + count)


def with_seed(wanted: RunKey, seed: int) -> RunKey:
    """The same run with that seed, unless it names its own."""
    experiment, settings = wanted
    return key(experiment, {"seed": seed, **dict(settings)})


def seeds_note(seeds: range) -> list[str]:
    """What the numbers are over; nothing to say of seed 0 alone."""
    if len(seeds) > 1:
        return [
            f"Routing seeds {seeds[0]} to {seeds[-1]}: simulated, ratio and sensitivity are of seed {seeds[0]}; "
            "median, low and high are over all."
        ]
    return [f"Routing seed {seeds[0]}."] if seeds[0] else []


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
