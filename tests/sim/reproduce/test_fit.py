"""A fit: one set of unknowns for all cells, how plausible it is, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from moe_cosim.errors import InputError, RunError
from moe_cosim.quantity import parse_quantity
from moe_cosim.sim.reproduce import base
from moe_cosim.sim.reproduce.base import Reproduction, Variant
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.fit import Fitted, fit
from moe_cosim.sim.reproduce.fit.distance import FLOOR, distance, noises, off
from moe_cosim.sim.reproduce.fit.unknowns import Unknown
from moe_cosim.sim.reproduce.runs import RunKey, key
from moe_cosim.sim.results.rows import AssumptionRow
from tests.sim.tiny import cli

pytest.importorskip("optuna")

RATE = AssumptionRow("rate", "32 GB/s", ["16 GB/s", "64 GB/s"], "guess")
ROWS = AssumptionRow("rows", 16, [8, 32], "guess")
POWER = AssumptionRow("power", "2 W", ["1 W", "3 W"], "guess")
WARMTH = AssumptionRow("warmth", 0.5, [0.0, 1.0], "guess")
"""The systems run at rate x rows x modules, so many per second; the publication says 64 GB/s, 24, 4. Neither power nor
warmth decides anything."""
PUBLISHED = (64 * 24 * 4, 64 * 4)


class Made(Reproduction):
    title = "made up"
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {"modules": (2, 4)}
    modules = 2
    length = 1

    def runs(self) -> list[RunKey]:
        settings = {"modules": self.modules, "length": self.length}
        return [key("fast", settings), key("slow", settings)]

    def cells(self, lookup: Callable[[RunKey], Any]) -> list[Cell]:
        fast, slow = (lookup(run) for run in self.runs())
        return [
            Cell("rate", "fast", PUBLISHED[0], fast.value),
            Cell("rate", "slow", PUBLISHED[1], slow.value),
            Cell("bound", "fast", 1e9, fast.value, at_most=True),
        ]

    def variants(self) -> list[Variant]:
        return [Variant("(default set)", "", {})]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        return []

    def variant_cells(self, variant: Variant, lookup: Callable[[RunKey], Any]) -> dict[str, float]:
        return {}

    def notes(self) -> list[str]:
        return []


def _run_all(wanted: Sequence[RunKey], workers: int, progress: object) -> dict[RunKey, Any]:
    """The slow system has no rows, and is refused if told of them; no system runs 30 rows and more."""
    results = {}
    for run in wanted:
        experiment, settings = run[0], dict(run[1])
        rate = parse_quantity(settings.get("assumptions.rate", RATE.value), "bytes/s", "", "") / 1e9
        rows = settings.get("assumptions.rows", 16)
        if rows >= 30 or (experiment == "slow" and "assumptions.rows" in settings):
            raise RunError("cannot be")
        value = rate * (rows if experiment == "fast" else 1) * settings["modules"] * (1 + settings["seed"] / 1000)
        value *= 1.1 ** (settings["length"] - 1)
        used = [RATE, ROWS, POWER, WARMTH] if experiment == "fast" else [RATE]
        results[run] = SimpleNamespace(value=value, assumptions=used)
    return results


@pytest.fixture(autouse=True)
def _made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(base.registry._entries, "made-up", Made)
    monkeypatch.setattr("moe_cosim.sim.reproduce.fit.simulated.run_all", _run_all)


@pytest.fixture
def found() -> Fitted:
    return fit("made-up", 1, trials=80)


def test_one_set_brings_all_cells_closest(found: Fitted) -> None:
    values = {one.name: one.fitted for one in found.unknowns}
    assert values["modules"] == 4
    assert parse_quantity(values["rate"], "bytes/s", "", "") == pytest.approx(64e9, rel=0.1)
    assert values["rows"] == pytest.approx(24, abs=3)
    assert found.fitted_distance < 2 < found.default_distance
    assert [cell.ratio for cell in found.cells[:2]] == pytest.approx([1, 1], abs=0.15)


def test_it_says_how_plausible_the_set_is_and_what_alone_would_settle_it(found: Fitted) -> None:
    places = {one.name: one.place for one in found.unknowns}
    assert places["rate"] == pytest.approx(1, abs=0.1)
    assert places["modules"] is None
    assert found.settles is not None
    assert found.settles.name == min(found.unknowns, key=lambda one: one.alone).name
    by_hand = {"modules": 4 * 32 / (64 * 4), "rate": 2 * 64 / (64 * 4)}
    assert next(u for u in found.unknowns if u.name == "modules").alone == pytest.approx(
        _far(by_hand["modules"] * 16 / 24, by_hand["modules"])
    )
    without = next(u.without for u in found.unknowns if u.name == "modules")
    assert without is not None
    assert without > 2 * found.fitted_distance
    assert 0 < found.failed < found.trials
    assert 0 <= found.as_near_as_default <= 1


def _far(*ratios: float) -> float:
    """Of these cells and one bound that is met; noise is the floor."""
    return math.sqrt(sum((math.log(ratio) / FLOOR) ** 2 for ratio in ratios) / (len(ratios) + 1))


def test_unknowns_that_move_no_cell_are_left_out(found: Fitted) -> None:
    """Of all that the runs assume, whatever the reproduction's own sensitivity varies."""
    assert {one.name for one in found.unknowns} == {"rate", "rows", "modules"}
    assert found.asked == 5


def test_what_a_run_sets_itself_is_not_varied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is the run's value of it the default of others."""
    whole = Made.runs
    monkeypatch.setattr(Made, "runs", lambda self: [_set(run, "assumptions.power", "3 W") for run in whole(self)])
    assert fit("made-up", 1, trials=4).asked == 4


def _set(run: RunKey, path: str, value: object) -> RunKey:
    return key(run[0], {**dict(run[1]), path: value})


def test_an_unknown_that_the_set_does_not_need_is_back_at_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.PUBLISHED", (32 * 16 * 4, 32 * 4))
    found = fit("made-up", 1, trials=40)
    (moved,) = (one for one in found.unknowns if one.is_moved)
    assert moved.fitted == {"modules": 4, "rate": "64 GB/s", "rows": 32}[moved.name]
    assert found.fitted_distance == pytest.approx(0, abs=0.5)


def test_cells_are_in_full_length_unless_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Made, "short", {"length": 2})
    whole, quick = (fit("made-up", 1, quick, trials=8) for quick in (False, True))
    whole_length, short = (found.cells[0].default for found in (whole, quick))
    assert short == pytest.approx(1.1 * whole_length)
    for found in (whole, quick):
        assert found.shown_distances == pytest.approx((found.default_distance, found.fitted_distance))


def test_the_same_search_finds_the_same(found: Fitted) -> None:
    again = fit("made-up", 1, trials=80)
    assert again.unknowns == found.unknowns
    assert again.cells == found.cells


def test_distance_is_in_the_noise_of_seeds() -> None:
    quiet, loud = Cell("f", "a", 1.0, 1.1, (1.1, 1.1)), Cell("f", "b", 1.0, 2.0, (1.0, 4.0))
    assert noises([quiet, loud]) == [FLOOR, pytest.approx(math.log(2))]
    expected = math.sqrt(((math.log(1.1) / FLOOR) ** 2 + 1) / 2)
    assert distance([quiet, loud], noises([quiet, loud])) == pytest.approx(expected)
    assert off(Cell("f", "a", 1.0, 0.5, at_most=True), 0.5) == 0


def test_places_in_wide_ranges_are_of_the_logarithm() -> None:
    assert Unknown("time", "1 us", ("100 ns", "10 us"), "ps").place("1 us") == pytest.approx(0.5)
    assert Unknown("share", 0.5, (0.0, 1.0), "number").place(0.25) == pytest.approx(0.25)


@pytest.mark.parametrize("ends", [["32 GB/s", "32 GB/s"], ["32 GB/s"]])
def test_a_range_that_is_a_point_is_refused(ends: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.RATE", AssumptionRow("rate", "32 GB/s", ends, "guess"))
    with pytest.raises(InputError, match="--fit: rate: found a range that is a point"):
        fit("made-up", 1, trials=4)


def test_bad_fits_are_one_line() -> None:
    for options, said in (
        (("made-up", "--fit", "--trials", "3"), "--trials: found 3"),
        (("made-up", "--fit", "--trials", "many"), "--trials: found 'many'"),
        (("made-up", "--trials", "9"), "only with --fit"),
        (("made-up", "--fit", "--table", "sensitivity"), "--table: found 'sensitivity'"),
        (("made-up", "--table", "unknowns"), "--table: found 'unknowns'"),
        (("cxl-ndp-accuracy", "--fit"), "--fit"),
        (("no-such", "--fit"), "no-such"),
    ):
        printed = cli("reproduce", *options)
        assert (printed.exit_code, printed.stdout, printed.stderr.count("\n")) == (2, "", 1), options
        assert said in printed.stderr


def test_a_table_of_cells_and_one_of_unknowns() -> None:
    printed = cli("reproduce", "made-up", "--fit", "--trials", 8, "--workers", 1)
    assert printed.exit_code == 0, printed.output
    for word in ("published", "default", "fitted", "place", "alone", "modules", "Distance"):
        assert word in printed.stdout
    assert cli("reproduce", "made-up", "--fit", "--trials", 8, "--csv").stdout.startswith("figure,cell,published,")


@pytest.mark.parametrize("name", sorted(set(base.registry.names()) - {"cxl-ndp-accuracy", "speculating-experts"}))
def test_shipped_reproductions_can_be_fitted(name: str) -> None:
    """Their default is one of their choices, every choice has runs, and the short ones are other runs."""
    chosen = base.registry.get(name)(quick=False)
    full = set(chosen.runs())
    for attribute, value in chosen.short.items():
        assert getattr(chosen, attribute) != value
        setattr(chosen, attribute, value)
    assert not chosen.short or full.isdisjoint(chosen.runs())
    usual = set(chosen.runs())
    assert chosen.choices
    for choice, values in chosen.choices.items():
        default = getattr(chosen, choice)
        assert default in values
        for value in values:
            setattr(chosen, choice, value)
            assert value == default or set(chosen.runs()) != usual
        setattr(chosen, choice, default)
