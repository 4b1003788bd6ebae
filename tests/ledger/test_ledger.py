"""No number moves in silence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ledger.__main__ import FOLDER
from ledger.book import Book
from ledger.parts import IN_THE_SUITE, PARTS, SIMULATED
from moe_cosim.experiment import experiment_names, load_experiment
from moe_cosim.workloads.neurons.policies.base import neuron_policies
from moe_cosim.workloads.policies.base import policies

BOOK = Book(FOLDER)
KEPT = {"cxl-ndp-quick", "edge-ndp-quick"}
SLOW = {f"{name}-quick" for name in SIMULATED} - KEPT | {"crosscheck-independent"}
"""Of systems whose own tests compute much of the same; and of what tests/sim/crosscheck/test_independent.py bounds."""


PAGE = Path(__file__).parents[2] / "docs" / "ledger.md"
QUICK = [pytest.param(part, marks=[pytest.mark.slow] if part in SLOW else []) for part in IN_THE_SUITE]


@pytest.mark.parametrize("part", QUICK)
def test_no_number_moves_without_the_ledger(part: str) -> None:
    moves = BOOK.moves(part, PARTS[part]())
    listed = "\n".join(map(str, moves[:20]))
    assert not moves, f"{len(moves)} numbers moved; if they should: make ledger MESSAGE='what moved them'\n{listed}"


def test_every_part_is_kept() -> None:
    assert {path.stem for path in FOLDER.glob("*.csv")} == set(PARTS)
    assert all(BOOK.cells(part) for part in PARTS)


def test_cells_are_changed_with_a_line_of_history_only() -> None:
    last = re.findall(r"^Cells: (\w+)$", BOOK.changes.read_text(encoding="utf-8"), re.MULTILINE)[-1]
    assert BOOK.digest() == last, "cells were edited by hand, or merged: make ledger MESSAGE='...' states them anew"


def test_every_policy_is_in_the_suite() -> None:
    used = {load_experiment(name).policy["name"] for name in experiment_names()}
    assert used == {name for registry in (policies, neuron_policies) for name, _ in registry}


def test_the_page_says_where_each_part_is_computed() -> None:
    rows = [
        line.strip("| \n").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"
    ]
    said = {name: row[-1].split("`")[1] for row in rows for name in row[0].split("`")[1::2]}
    for part in PARTS:
        where = "make ledger" if part not in IN_THE_SUITE else "make test-slow" if part in SLOW else "make test"
        assert said.get(part, said["NAME-quick" if part.endswith("-quick") else "NAME"]) == where, part
