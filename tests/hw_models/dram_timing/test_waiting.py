"""Which requests wait for a bank, by hand: the oldest of all, for the open row, and for another."""

from __future__ import annotations

from typing import Any

import numpy as np

from moe_cosim.hw_models.dram_timing import waiting
from moe_cosim.hw_models.dram_timing.channel import State, new_state
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.limits import limits_of
from moe_cosim.hw_models.dram_timing.standard import read_standard

ROWS = np.array([7, 5, 7, 5])
"""Of requests 0 to 3, all reads of bank 0."""
READS, BANK = 0, 0


def _plain(name: str) -> Any:
    """As Python: nothing to compile for four requests."""
    function = getattr(waiting, name)
    return getattr(function, "py_func", function)


enter, leave, open_row = (_plain(name) for name in ("enter", "leave", "open_row"))


def _all_wait() -> State:
    """With row 7 open."""
    standard = read_standard("ddr4-3200")
    state = new_state(limits_of(standard), standard, Controller(), len(ROWS))
    state.row[BANK] = 7
    for request in range(len(ROWS)):
        enter(state, request, READS, BANK, ROWS)
    return state


def _known(state: State) -> tuple[int, int, int, int, int]:
    """Oldest, newest, oldest for the open row, oldest for another, and how many wait."""
    of_bank = (table[READS, BANK] for table in (state.oldest, state.newest, state.hit, state.other))
    oldest, newest, hit, other = map(int, of_bank)
    return oldest, newest, hit, other, int(state.size[READS])


def test_of_those_that_enter_the_first_stays_the_oldest_for_its_row() -> None:
    assert _known(_all_wait()) == (0, 3, 0, 1, 4)


def test_the_next_for_the_open_row_follows_the_one_that_left() -> None:
    state = _all_wait()
    leave(state, 0, READS, BANK, ROWS)
    assert _known(state) == (1, 3, 2, 1, 3)
    leave(state, 2, READS, BANK, ROWS)  # from between two that wait on
    assert _known(state) == (1, 3, -1, 1, 2)


def test_when_the_last_leaves_the_one_before_is_the_newest() -> None:
    state = _all_wait()
    leave(state, 3, READS, BANK, ROWS)
    assert _known(state) == (0, 2, 0, 1, 3)
    enter(state, 3, READS, BANK, ROWS)
    for request in range(3):
        leave(state, request, READS, BANK, ROWS)
    assert _known(state)[:2] == (3, 3)


def test_a_row_is_opened_for_one_and_known_to_all_that_wait_for_it() -> None:
    state = _all_wait()
    leave(state, 1, READS, BANK, ROWS)
    open_row(state, 1, BANK, ROWS)
    assert _known(state) == (0, 3, 3, 0, 3)
    assert (int(state.row[BANK]), int(state.holder[BANK]), int(state.opened[0])) == (5, 1, 1)
