"""Every option of every plug-in is described, and refuses what it is not."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.options import EXPERTS, TOP_K, OptionRow, Options, option_rows, read_options
from moe_cosim.sim.engines.base import engines
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.routing.routing import routers
from tests.workloads.hand_made import decide, routing, scenario

LIMITS = {EXPERTS: 8, TOP_K: 2}
KINDS = {"policy": policies, "routing": routers, "engine": engines}
CLASSES = {f"{kind}.{name}": cls.options_class for kind, known in KINDS.items() for name, cls in known}


def options() -> Iterator[Any]:
    for name, cls in CLASSES.items():
        for row in option_rows(cls):
            yield pytest.param(name.partition(".")[0], cls, row, id=f"{name}.{row.field}")


EVERY_OPTION = pytest.mark.parametrize(("kind", "cls", "row"), list(options()))


def test_there_are_options() -> None:
    assert sum(len(option_rows(cls)) for cls in CLASSES.values()) > 30


@EVERY_OPTION
def test_it_is_described(kind: str, cls: type[Options], row: OptionRow) -> None:
    assert row.meaning
    assert row.allowed
    assert row.required or row.default is not None or row.allowed.endswith("or null")


@EVERY_OPTION
def test_its_default_is_allowed(kind: str, cls: type[Options], row: OptionRow) -> None:
    required = {other.field: "text" for other in option_rows(cls) if other.required}
    if not row.required:
        found = read_options(cls, {**required, row.field: row.default}, "x", kind, LIMITS)
        assert getattr(found, row.field) == row.default


@EVERY_OPTION
def test_it_keeps_the_limit_that_the_model_sets(kind: str, cls: type[Options], row: OptionRow) -> None:
    most = next((number for words, number in LIMITS.items() if words in row.allowed), None)
    if most is not None:
        assert getattr(read_options(cls, {row.field: most}, "x", kind, LIMITS), row.field) == most
        with pytest.raises(InputError, match=f"{kind}.{row.field}: found {most + 1}; allowed: .* to {most}"):
            read_options(cls, {row.field: most + 1}, "x", kind, LIMITS)


WRONG = {
    "a whole": st.one_of(st.text(), st.booleans(), st.floats(), st.lists(st.integers()), st.just(-1)),
    "a numbe": st.one_of(
        st.text(),
        st.booleans(),
        st.just(float("nan")),
        st.just(float("inf")),
        st.just(-0.1),
        st.dictionaries(st.text(), st.none()),
    ),
    "true or": st.one_of(st.text(), st.integers(), st.floats(), st.none()),
    "one of ": st.one_of(st.text(max_size=3), st.booleans(), st.none(), st.lists(st.text())),
}
"""By the first words of what is allowed."""
NOT_TEXT = st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.text()))


@EVERY_OPTION
def test_what_it_is_not_is_refused_by_its_name(kind: str, cls: type[Options], row: OptionRow) -> None:
    annotation = cls.model_fields[row.field].annotation
    wrong = NOT_TEXT if annotation in (str, str | None) else WRONG[row.allowed[:7]]
    if NoneType in get_args(annotation):
        wrong = wrong.filter(lambda value: value is not None)
    required = {other.field: "text" for other in option_rows(cls) if other.required}

    @settings(max_examples=15, deadline=None)
    @given(wrong)
    def refused(value: object) -> None:
        with pytest.raises(InputError) as error:
            read_options(cls, {**required, row.field: value}, "file.yaml", kind, LIMITS)
        line = str(error.value)
        assert line.startswith(f"file.yaml: {kind}.{row.field}: found ")
        assert "; allowed: " in line
        assert "\n" not in line

    refused()


@pytest.mark.parametrize("policy", policies.names())
def test_what_a_policy_assumes_is_declared(policy: str) -> None:
    """So that it can be shown without a run. All its switches are on."""
    cls = policies.get(policy)
    switches = {row.field: True for row in option_rows(cls.options_class) if row.allowed == "true or false"}
    routed = routing([[(0, 1)] * 2, [(1, 2)] * 2], [[(3, 4)] * 2], 8)
    experiment, confronted = scenario(routed, policy, switches, machine=_machine(policy))
    before = {one.name for one in confronted.assumptions.used()}
    decide(experiment, confronted)
    assert {one.name for one in confronted.assumptions.used()} - before <= {one.name for one in cls.assumptions}


@pytest.mark.parametrize("policy", policies.names())
def test_who_misspells_the_home_of_the_experts_is_told(policy: str) -> None:
    """It is a field beside the options of every policy, also of one without any."""
    routed = routing([[(0, 1)]], [[(1, 2)]], 4)
    with pytest.raises(InputError, match=r"policy\.hom: found an unknown option; allowed: .*did you mean 'home'"):
        decide(*scenario(routed, policy, {"hom": "host"}, _machine(policy)))


def _machine(policy: str) -> str:
    """With all that the policy needs."""
    if policies.get(policy).homes == ("host",):
        return "rtx4090-xeon-6454s"
    return {"sieve": "b200-hbm-pim"}.get(policy, "h100-amx-dimm-ndp")
