"""Three columns: published, the paper's arithmetic on our plan, simulated; and what a misfit is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.engines.base import engine_of
from moe_cosim.sim.engines.makespan.engine import MakespanEngine
from moe_cosim.sim.reproduce import reproduce, reproductions
from moe_cosim.sim.reproduce.cell import MET, MODELLING, UNKNOWN_INPUT, Cell, with_arithmetic
from moe_cosim.sim.reproduce.papers import cxl_ndp
from moe_cosim.sim.reproduce.runs import added_up, key, run_all


@pytest.fixture(scope="module", autouse=True)
def _of_seconds() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cxl_ndp, "_QUICK_LENGTHS", ((8, 5),))
        yield


@pytest.mark.parametrize(
    ("simulated", "arithmetic", "misfit"),
    [
        (2.29, 5.0, MET),
        (1.71, 2.0, MET),
        (2.31, 1.71, MODELLING),
        (1.69, 2.29, MODELLING),
        (2.31, 2.31, UNKNOWN_INPUT),
        (2.31, 1.69, UNKNOWN_INPUT),
    ],
)
def test_a_misfit_is_told_by_the_arithmetic(simulated: float, arithmetic: float, misfit: str) -> None:
    cell = Cell("speed-up", "mean", 2.0, simulated, arithmetic=arithmetic)
    assert cell.misfit == misfit
    assert list(cell.as_dict())[3:] == ["arithmetic", "simulated", "ratio", "misfit"]


def test_of_several_seeds_the_first_tells_as_it_is_the_one_added_up() -> None:
    assert Cell("speed-up", "mean", 2.0, 5.0, (2.1, 1.9), arithmetic=2.0).misfit == MODELLING
    assert Cell("speed-up", "mean", 2.0, 2.0, (5.1, 5.2), arithmetic=2.0).misfit == MET


def test_a_bound_is_met_from_below() -> None:
    assert Cell("overhead", "less than", 0.03, 0.0001, arithmetic=0.0, at_most=True).misfit == MET
    assert Cell("overhead", "less than", 0.03, 0.0001, arithmetic=0.0).misfit == UNKNOWN_INPUT
    assert Cell("overhead", "less than", 0.03, 0.04, arithmetic=0.03, at_most=True).misfit == MODELLING


def test_without_arithmetic_nothing_is_told() -> None:
    cell = Cell("accuracy", "16 bits", 70.0, 20.0)
    assert cell.misfit is None
    assert "misfit" not in cell.as_dict()


def test_arithmetic_goes_by_place() -> None:
    """An extreme may lie elsewhere by the sums."""
    (cell,) = with_arithmetic([Cell("speed-up", "lowest (a)", 2.0, 1.9)], [Cell("speed-up", "lowest (b)", 2.0, 1.5)])
    assert cell == Cell("speed-up", "lowest (a)", 2.0, 1.9, arithmetic=1.5)


def test_the_second_column_is_the_makespan_engine_on_the_same_runs() -> None:
    chosen = cxl_ndp.CxlNdpReproduction(quick=True)
    outcome = reproduce("cxl-ndp", 1, sensitivity=False, quick=True)
    results = run_all([added_up(run, "policy") for run in chosen.runs()], 1, None)
    by_hand = chosen.cells(lambda run: results[added_up(run, "policy")])
    assert [cell.arithmetic for cell in outcome.cells] == [cell.simulated for cell in by_hand]
    simulated = run_all(chosen.runs(), 1, None)
    assert [cell.simulated for cell in outcome.cells] == [
        cell.simulated for cell in chosen.cells(simulated.__getitem__)
    ]
    assert all(result.engine == "makespan" for result in results.values())


def test_every_reproduction_of_systems_names_a_model_that_is_there() -> None:
    models = {name: kind.cost_model for name, kind in reproductions().items()}
    assert {name for name, model in models.items() if model} > {"cxl-ndp", "trimoe", "edge-ndp"}
    for model in filter(None, models.values()):
        experiment, settings = added_up(key("monde-mixtral-8x7b", {}), model)
        assert isinstance(engine_of(load_experiment(experiment, dict(settings))), MakespanEngine)


def test_the_rule_is_said() -> None:
    outcome = reproduce("cxl-ndp", 1, sensitivity=False, quick=True)
    assert any("Within 15% of the published number is met" in note for note in outcome.notes)
