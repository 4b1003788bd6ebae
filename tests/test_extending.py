"""Packages of somebody else: one with a plug-in of each kind, and faulty ones (docs/extending.md's: tests/docs)."""

from __future__ import annotations

import shutil
from pathlib import Path
from subprocess import CompletedProcess
from xml.etree import ElementTree

import pytest

from tests.outside import ROOT, fresh_python, install

DATA = Path(__file__).parent / "data" / "outside"
KINDS = ("policies", "engines", "routers", "allocators", "formats", "unit_models", "schedulers")
FAULTY = {
    "TestForgets": "test_the_plan_can_be_carried_out",
    "TestByHash": "test_other_processes_decide_the_same",
    "TestTooFast": "test_no_event_ends_before_its_floor",
    "TestUnsteady": "test_same_input_same_picosecond",
    "TestUnseeded": "test_one_seed_one_routing",
    "TestTwice": "test_a_model_could_have_routed_so",
    "TestSpendthrift": "test_the_budget_is_used_exactly",
    "TestWraps": "test_more_tokens_take_no_less",
}
"""A test that each of them must fail."""


@pytest.fixture
def working(tmp_path: Path) -> Path:
    """A folder to work in that has the names of ours, each a trap."""
    folder = tmp_path / "working"
    for name in ("tests", "sim", "workloads", "hw_models", "templates", "experiments"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise AssertionError('a folder of the user, imported for ours')")
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Where the package with a plug-in of each kind is installed."""
    site = tmp_path / "site"
    texts = {f"{name}.py": (DATA / f"{name}.py").read_text() for name in ("one_of_each", "faulty")}
    texts["outside_cluster.py"] = (ROOT / "tests/sim/batch/stand_in_programs.py").read_text()
    texts["stand_in.py"] = (ROOT / "tests/sim/batch/stand_in.py").read_text()
    texts["outside_templates/__init__.py"] = ""
    texts["outside_templates/outside.sh.j2"] = (ROOT / "templates/batch/pbs.sh.j2").read_text()
    points = {group: {"outside": "one_of_each"} for group in KINDS} | {"model_families": {"outside_moe": "one_of_each"}}
    install(site, "outside", texts, points)
    return site


def outcome(site: Path, working: Path, *words: object) -> tuple[CompletedProcess[str], dict[str, set[str]]]:
    """What pytest said, and the tests that failed, by class."""
    report = working / "report.xml"
    options = ("-q", "-p", "no:cacheprovider", "--junitxml", report, "--rootdir", working)
    done = fresh_python(site, "-m", "pytest", *options, *words, folder=working)
    assert report.exists(), done.stdout + done.stderr
    failed: dict[str, set[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            name = case.attrib["classname"].rpartition(".")[2]
            failed.setdefault(name, set()).add(case.attrib["name"].partition("[")[0])
    return done, failed


def test_one_of_each_kind_meets_its_contract(site: Path, working: Path) -> None:
    test = shutil.copy(DATA / "contracts.py", working / "test_contracts.py")
    done, failed = outcome(site, working, test)
    assert (done.returncode, failed) == (0, {}), done.stdout
    code = (
        "from moe_cosim.hw_models.formats import find_format\n"
        "from moe_cosim.workloads.models.family import families\n"
        "print(find_format('outside').bits_per_weight, families.get('outside_moe').__name__)"
    )
    assert fresh_python(site, "-c", code, folder=working).stdout == "4.125 OutsideFamily\n"


def test_the_faulty_ones_fail_where_they_are_faulty(site: Path, working: Path) -> None:
    """A contract that nobody can break says nothing."""
    test = shutil.copy(DATA / "contracts_broken.py", working / "test_contracts_broken.py")
    (working / "conftest.py").write_text(
        "from hypothesis import Phase, settings\n"
        "settings.register_profile('no shrinking', phases=[Phase.generate])\n"
        "settings.load_profile('no shrinking')\n"
    )
    _, failed = outcome(site, working, *(f"{test}::{name}::{expected}" for name, expected in FAULTY.items()))
    assert failed == {name: {expected} for name, expected in FAULTY.items()}
