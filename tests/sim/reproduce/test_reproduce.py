"""Reproductions: what they print, which way their numbers go, and that processes do not matter."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from moe_cosim.errors import InputError, RunError
from moe_cosim.sim import run_many
from moe_cosim.sim.reproduce import reproduce
from moe_cosim.sim.reproduce.base import Reproduced
from moe_cosim.sim.reproduce.papers import cxl_ndp
from tests.sim.tiny import cli

SYSTEMS, MODELS = 4, 2


@pytest.fixture(scope="module")
def short() -> Any:
    """Lengths so short that the whole reproduction takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cxl_ndp, "_QUICK_LENGTHS", ((8, 5),))
        yield


@pytest.fixture(scope="module")
def outcome(short: None) -> Reproduced:
    return reproduce("cxl-ndp", workers=1, quick=True)


@pytest.fixture(scope="module")
def rows(outcome: Reproduced) -> Callable[[str, object], dict[str, float]]:
    """The sensitivity's cells under one value of one assumption."""

    def of(assumption: str, value: object = "") -> dict[str, float]:
        found = [r for r in outcome.sensitivity if (r["assumption"], r["value"]) == (assumption, value)]
        assert found
        return {row["cell"]: row["simulated"] for row in found}

    return of


def test_json_has_the_agreed_form(short: None) -> None:
    found = cli("reproduce", "cxl-ndp", "--quick", "--json", "--workers", 1, "--no-sensitivity")
    assert (found.exit_code, found.stderr) == (0, "")
    printed = json.loads(found.stdout)
    assert printed["name"] == "cxl-ndp"
    assert printed["sensitivity"] == []
    assert printed["runs"] == 2 * SYSTEMS * MODELS  # simulated, and added up
    assert printed["cells"]
    for cell in printed["cells"]:
        names = {"figure", "cell", "published", "arithmetic", "simulated", "ratio", "misfit"}
        assert cell.keys() == names
        assert cell["ratio"] == cell["simulated"] / cell["published"]
        assert cell["simulated"] > 0
    assert {row["name"] for row in printed["assumptions"]} >= {"cxl-link-rate", "ndp-bit-scaling", "hobbit-gpu-memory"}
    assert all(row.keys() == {"name", "value", "range", "source"} for row in printed["assumptions"])


def test_every_published_number_is_there_once(outcome: Reproduced) -> None:
    names = [(cell.figure, cell.cell) for cell in outcome.cells]
    assert len(set(names)) == len(names) == 4 + 8 + 4 + 2 + 3
    published = {cell.cell: cell.published for cell in outcome.cells if cell.figure.startswith("decode speed-up")}
    assert published == {
        "mixtral-8x7b 3-bit": 8.7,
        "mixtral-8x7b 2-bit": 11.2,
        "mixtral-8x22b 3-bit": 8.9,
        "mixtral-8x22b 2-bit": 11.5,
    }


def test_sensitivity_has_every_cell_under_every_variant(outcome: Reproduced) -> None:
    assert all(row.keys() == {"assumption", "value", "cell", "simulated"} for row in outcome.sensitivity)
    cells = {row["cell"] for row in outcome.sensitivity}
    variants = {(row["assumption"], str(row["value"])) for row in outcome.sensitivity}
    assert len(outcome.sensitivity) == len(cells) * len(variants)
    assert ("(default set)", "") in variants
    assert len(variants) > 10
    declared = {row["name"]: row["range"] for row in outcome.assumptions}
    for assumption, value in variants - {("(default set)", ""), ("batch", "4"), ("routing seed", "1")}:
        assert assumption in declared, value


def test_the_default_variant_is_the_reproduction(outcome: Reproduced, rows: Callable[..., dict[str, float]]) -> None:
    cells = {cell.cell: cell.simulated for cell in outcome.cells if cell.figure.startswith("decode speed-up")}
    default = rows("(default set)")
    for name, simulated in cells.items():
        assert default[f"{name} over MoNDE"] == pytest.approx(simulated)


def test_fewer_bits_are_faster(rows: Callable[..., dict[str, float]]) -> None:
    found = rows("(default set)")
    for model in ("mixtral-8x7b", "mixtral-8x22b"):
        assert found[f"{model} 2-bit over MoNDE"] > found[f"{model} 3-bit over MoNDE"] > 1


def test_a_slower_link_hurts_monde_most(rows: Callable[..., dict[str, float]]) -> None:
    default, slow = rows("(default set)"), rows("cxl-link-rate", "32 GB/s")
    for cell, simulated in default.items():
        if "over MoNDE" in cell:
            assert slow[cell] > 1.5 * simulated


def test_without_bit_scaling_low_bits_gain_little(rows: Callable[..., dict[str, float]]) -> None:
    """Then a low-bit kernel near the data takes the 16-bit time: the bits no longer matter."""
    default, unscaled = rows("(default set)"), rows("ndp-bit-scaling", "none")
    for model in ("mixtral-8x7b", "mixtral-8x22b"):
        three, two = (f"{model} {bits}-bit over MoNDE" for bits in (3, 2))
        assert unscaled[two] < default[two]
        assert unscaled[two] == pytest.approx(unscaled[three], rel=0.02)


def test_more_memory_helps_hobbit(rows: Callable[..., dict[str, float]]) -> None:
    small, large = rows("hobbit-gpu-memory", "16 GB"), rows("hobbit-gpu-memory", "80 GB")
    for cell, simulated in large.items():
        assert simulated <= small[cell] if "HOBBIT" in cell else simulated == small[cell]


def test_any_number_of_processes_gives_the_same_numbers(short: None) -> None:
    one, two = (reproduce("cxl-ndp", workers, sensitivity=False, quick=True, seeds=2).as_dict() for workers in (1, 2))
    for outcome in (one, two):
        outcome.pop("wall_s")
    assert one == two


def test_progress_counts_every_run(short: None) -> None:
    told: list[tuple[int, int]] = []
    reproduce("cxl-ndp", 1, sensitivity=False, quick=True, progress=lambda done, of: told.append((done, of)))
    assert told == [(done, 2 * SYSTEMS * MODELS) for done in range(1, 2 * SYSTEMS * MODELS + 1)]


def test_an_error_in_another_process_is_the_same_line(short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cxl_ndp, "_QUICK_LENGTHS", ((8, 0),))
    lines = []
    for workers in (1, 2):
        with pytest.raises(InputError) as error:
            reproduce("cxl-ndp", workers, sensitivity=False, quick=True)
        lines.append(str(error.value))
    assert all("workload.output_tokens: found 0; allowed: " in line for line in lines)


def test_a_worker_that_dies_is_one_line(short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the system runs out of memory and kills it."""
    monkeypatch.setattr(run_many, "_serve", _die)
    with pytest.raises(RunError, match=r"workers die as they start \(exit 9\); is there memory for 2\?"):
        reproduce("cxl-ndp", 2, sensitivity=False, quick=True)


def _die(_: object) -> None:
    import os

    os._exit(9)


def test_an_unknown_name_is_refused_with_a_near_miss() -> None:
    found = cli("reproduce", "cxl-nd")
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1)
    assert "did you mean 'cxl-ndp'?" in found.stderr
