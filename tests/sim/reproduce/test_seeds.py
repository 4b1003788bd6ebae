"""Reproductions with several routing seeds: what each cell is with each, and what is said of all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from statistics import median

import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.reproduce import Reproduced, base, reproduce
from moe_cosim.sim.reproduce.cell import Cell, over_seeds
from moe_cosim.sim.reproduce.papers import cxl_ndp
from moe_cosim.sim.reproduce.runs import key
from moe_cosim.sim.reproduce.seeds import with_seed
from tests.sim.tiny import cli


@pytest.fixture(scope="module", autouse=True)
def _short() -> Iterator[None]:
    """Two length pairs, so that lowest and highest differ, of seconds in all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cxl_ndp, "_QUICK_LENGTHS", ((8, 5), (16, 3)))
        yield


def _cells(seeds: int, seed: int = 0) -> Reproduced:
    return reproduce("cxl-ndp", 1, sensitivity=False, quick=True, seeds=seeds, seed=seed)


@pytest.fixture(scope="module")
def alone() -> list[Reproduced]:
    """One after the other."""
    return [_cells(1, seed) for seed in range(3)]


@pytest.fixture(scope="module")
def together() -> Reproduced:
    return _cells(3)


def test_cells_are_those_of_each_seed_alone(alone: list[Reproduced], together: Reproduced) -> None:
    moved = 0
    for cell, *each in zip(together.cells, *(outcome.cells for outcome in alone), strict=True):
        values = [other.simulated for other in each]
        assert (cell.figure, cell.cell, cell.published) == (each[0].figure, each[0].cell, each[0].published)
        assert cell.simulated == values[0]
        assert (cell.median, cell.low, cell.high, cell.seeds) == (median(values), min(values), max(values), 3)
        moved += len(set(values)) > 1
    assert moved > len(together.cells) / 2
    added_up = alone[1:]  # half of what runs, and of the first seed alone
    assert together.runs == sum(outcome.runs for outcome in alone) - sum(outcome.runs // 2 for outcome in added_up)
    assert together.events == sum(outcome.events for outcome in alone) - sum(o.events // 2 for o in added_up)


def test_one_seed_says_nothing_of_seeds(alone: list[Reproduced]) -> None:
    assert not any("seed" in note for note in alone[0].notes)
    assert "Routing seed 2." in alone[2].notes


def test_seeds_follow_the_first(alone: list[Reproduced]) -> None:
    found = _cells(2, 1)
    for cell, second, third in zip(found.cells, alone[1].cells, alone[2].cells, strict=True):
        assert (cell.simulated, cell.others) == (second.simulated, (third.simulated,))
    assert found.notes[-1].startswith("Routing seeds 1 to 2: ")


@pytest.mark.slow
def test_sensitivity_is_of_the_first_seed() -> None:
    one, two = (reproduce("cxl-ndp", 1, quick=True, seeds=seeds) for seeds in (1, 2))
    assert one.sensitivity == two.sensitivity
    assert one.assumptions == two.assumptions


def test_json_and_csv_have_what_cells_span(together: Reproduced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moe_cosim.sim.reproduce.reproduce", lambda *_: together)
    options = ("reproduce", "cxl-ndp", "--quick", "--no-sensitivity", "--workers", 1, "--seeds", 3)
    printed = json.loads(cli(*options, "--json").stdout)
    assert printed["cells"] == [cell.as_dict() for cell in together.cells]
    spread = ["median", "low", "high", "seeds"]
    names = ["figure", "cell", "published", "arithmetic", "simulated", "ratio", "misfit", *spread]
    assert all(list(cell) == names for cell in printed["cells"])
    assert all(cell["low"] <= cell["median"] <= cell["high"] for cell in printed["cells"])
    rows = list(csv.DictReader(cli(*options, "--csv").stdout.splitlines()))
    assert [[float(row[name]) for name in spread] for row in rows] == [
        [cell[name] for name in spread] for cell in printed["cells"]
    ]


def test_an_extreme_that_moves_has_all_its_places() -> None:
    """Each seed's own lowest, wherever it is."""
    lowest = zip("aba", (3, 1, 2), strict=True)
    (found,) = over_seeds([Cell("speed-up", f"lowest ({at})", 2.0, value)] for at, value in lowest)
    assert found == Cell("speed-up", "lowest (a) or lowest (b)", 2.0, 3, (1, 2))
    assert (found.median, found.low, found.high, found.ratio) == (2, 1, 3, 1.5)


def test_the_median_of_an_even_number_lies_between_the_middle_two() -> None:
    assert Cell("speed-up", "mean", 2.0, 1.0, (4.0, 3.0, 2.0)).median == 2.5


def test_a_run_that_names_its_seed_keeps_it() -> None:
    assert with_seed(key("a", {"seed": 7, "workload.batch": 2}), 1) == key("a", {"workload.batch": 2, "seed": 7})
    assert with_seed(key("a", {"workload.batch": 2}), 1) == key("a", {"seed": 1, "workload.batch": 2})


_BAD = ("-1", "3000000000", "two", "1.5", "")


@pytest.mark.parametrize(
    ("option", "value"),
    [*(("--seeds", value) for value in ("0", "1001", *_BAD)), *(("--seed", value) for value in _BAD)],
)
def test_a_bad_number_is_refused_before_anything_runs(option: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "run_all", lambda *_: pytest.fail("ran"))
    found = cli("reproduce", "cxl-ndp", "--quick", option, value)
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1)
    assert option.strip("-") in found.stderr
    assert "allowed: a whole number from " in found.stderr


@pytest.mark.parametrize("seeds", [0, 1001, True, 1.0, "2"])
def test_a_bad_number_is_refused_in_python(seeds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "run_all", lambda *_: pytest.fail("ran"))
    with pytest.raises(InputError, match=r"reproduce: seeds: found .*; allowed: a whole number from 1 to 1000"):
        reproduce("cxl-ndp", seeds=seeds)
