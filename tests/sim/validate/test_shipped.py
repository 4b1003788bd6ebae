"""What ships: every row is read, says its source, and the experiments that are named are there and run."""

from __future__ import annotations

from pathlib import Path

import pytest

from moe_cosim.experiment import find_experiment, load_experiment
from moe_cosim.sim.validate import validate as module
from moe_cosim.sim.validate.csv_rows import SOURCE, read_csv
from moe_cosim.sim.validate.kinds import KINDS
from moe_cosim.workloads.limits import check_size
from moe_cosim.workloads.models.find import find_model

DATA = Path(module.__file__).parent / "data"
FILES = sorted((path.parent.name, path) for path in DATA.glob("*/*.csv"))
EXPERIMENTS = sorted(find_experiment("all-on-gpu-mixtral-8x7b-int4").parent.glob("validation/*.yaml"))


@pytest.mark.parametrize(("kind", "path"), FILES)
def test_rows_say_where_they_come_from(kind: str, path: Path) -> None:
    rows = read_csv(path, KINDS[kind].required, KINDS[kind].optional)
    assert all(row.text(SOURCE) for row in rows)
    assert {row.fitted for row in rows} <= {True, False}


def test_every_kind_ships_something() -> None:
    assert {kind for kind, _ in FILES} == set(KINDS)


def test_a_row_of_systems_names_an_experiment_or_says_why_not() -> None:
    rows = [row for path in DATA.glob("systems/*.csv") for row in read_csv(path, *_columns("systems"))]
    assert all(bool(row.text("experiment")) != bool(row.text("why_not")) for row in rows)
    named = {find_experiment(row.text("experiment")) for row in rows if row.text("experiment")}
    assert named == set(EXPERIMENTS)


def _columns(kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return KINDS[kind].required, KINDS[kind].optional


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_experiments_are_of_a_size_that_can_be(path: Path) -> None:
    experiment = load_experiment(path)
    assert experiment.name == path.stem
    assert experiment.description
    check_size(find_model(experiment.model), experiment.workload, path)
