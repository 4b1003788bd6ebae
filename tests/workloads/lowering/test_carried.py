"""What blocks of a run leave to each other, against a plain dictionary, and in programs of all kinds of plans."""

from __future__ import annotations

import numpy as np
import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.workloads import blocks
from moe_cosim.workloads.lowering.carried import Carried
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.programs.program import SIGNAL, Program

EXPERIMENTS = (
    "hobbit-mixtral-8x7b",  # prefetching
    "trimoe-deepseek-v2",  # deferred runs, striped copies, early moves
    "monde-dimm-qwen3-235b-a22b",  # teams
    "cxl-ndp-mixtral-8x22b-3bit-4-devices",
)


def test_earlier_moves_and_first_uses_are_those_a_dictionary_finds() -> None:
    draw, carried = np.random.default_rng(1), Carried(units=70)
    last: dict[int, tuple[int, int]] = {}
    used: set[tuple[int, int]] = set()
    moves = 0
    for size in (3, 1, 40, 500, 5):
        target, lane = draw.integers(0, 60, size) << 12, draw.integers(0, 3, size)
        expected = []
        for row, (address, on) in enumerate(zip(target.tolist(), lane.tolist(), strict=True)):
            before, other = last.get(address, (-1, on))
            expected.append(before if other != on else -1)
            last[address] = moves + row, on
        token = np.arange(size) + 10 * moves
        assert carried.add_moves(token, target, lane).tolist() == expected
        assert carried.arrival(np.arange(moves, moves + size)).tolist() == token.tolist()
        moves += size
        move, unit = draw.integers(-1, moves, 2 * size), draw.integers(0, 70, 2 * size)
        firsts = []
        for pair in zip(move.tolist(), unit.tolist(), strict=True):
            firsts.append(pair[0] >= 0 and pair not in used)
            used.add(pair)
        assert carried.first_uses(move, unit).tolist() == firsts


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_program_does_not_depend_on_where_the_run_is_cut(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"workload.prompt_tokens": 6, "workload.output_tokens": 6, "workload.batch": 3}
    found = []
    for events in (1, 2000, 1 << 40):
        monkeypatch.setattr(blocks, "EVENTS_PER_BLOCK", events)
        made = list(prepare(load_experiment(name, settings)).blocks)
        found.append((len(made), canonical(blocks.join(made).program)))
    assert found[0][0] == 6
    assert found[2][0] == 1
    assert found[0][1] == found[1][1] == found[2][1]


def canonical(program: Program) -> list[bytes]:
    """All columns, with tokens numbered in the order in which they are first named, and accesses in that of events."""
    events = program.events.copy()
    waited = np.isin(events["token"], events["token"][events["kind"] > SIGNAL])
    events = events[(events["kind"] != SIGNAL) | waited]
    named = events["kind"] >= SIGNAL
    _, first, which = np.unique(events["token"][named], return_index=True, return_inverse=True)
    events["token"][named] = np.argsort(np.argsort(first))[which]
    count = events["accesses"].astype(np.int64)
    rows = np.repeat(events["first_access"] - (np.cumsum(count) - count), count) + np.arange(count.sum())
    accesses, tags = program.accesses[rows], program.tags[events["tag"]]
    events["first_access"] = events["tag"] = 0
    return [table.tobytes() for table in (events, accesses, tags)]
