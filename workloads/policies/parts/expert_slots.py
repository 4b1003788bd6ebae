"""A pool of places for experts in the GPU's memory: who is where, and who must leave."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from moe_cosim.workloads.plan import Copy

Key = int
"""layer * experts + expert."""


class ExpertSlots:
    """Keys in slots, in order of last use (oldest first).

    A slot freed in the layer in which its expert runs may only be filled after that run: `fill`
    returns the row of the run to wait for.
    """

    def __init__(self, addresses: Iterable[int]) -> None:
        self._free = list(reversed(list(addresses)))
        self._copies: dict[Key, Copy] = {}
        self._last_run: dict[int, int] = {}
        self.capacity = len(self._free)

    def __contains__(self, key: Key) -> bool:
        return key in self._copies

    def keys(self) -> list[Key]:
        """Oldest use first."""
        return list(self._copies)

    def copy(self, key: Key) -> Copy:
        """The copy of an expert that has a slot; looking does not make it the last one used."""
        return self._copies[key]

    def used(self, key: Key) -> Copy:
        """The copy, now the most recently used."""
        copy = self._copies.pop(key)
        self._copies[key] = copy
        return copy

    def ran(self, key: Key, row: int) -> None:
        """Plan row `row` is the last that reads the slot of `key`."""
        self._last_run[self._copies[key].address] = row

    def place(self, pinned: Collection[Key], victim: Callable[[list[Key]], Key]) -> tuple[int, int] | None:
        """A slot's address and its last run's row; evicts by `victim` among those not in `pinned`.

        None when every slot is pinned.
        """
        if self._free:
            address = self._free.pop()
            return address, self._last_run.get(address, -1)
        candidates = [key for key in self._copies if key not in pinned]
        if not candidates:
            return None
        return self.leave(victim(candidates))

    def leave(self, key: Key) -> tuple[int, int]:
        """Take `key` out: its slot's address and its last run's row."""
        address = self._copies.pop(key).address
        return address, self._last_run.get(address, -1)

    def clear(self) -> None:
        """Forget all keys."""
        self._free += [copy.address for copy in self._copies.values()]
        self._copies.clear()

    def exchange(self, key: Key, address: int, last_run: int) -> Copy:
        """Give the slot of `key` away for the free one at `address`, last read by `last_run`; returns the copy."""
        copy = self._copies.pop(key)
        self._free.append(address)
        self._last_run[address] = last_run
        return copy

    def put(self, key: Key, copy: Copy) -> None:
        """An expert that `place` or `leave` made room for, now the last one used."""
        self._copies[key] = copy


def oldest(candidates: list[Key]) -> Key:
    """Least recently used."""
    return candidates[0]
