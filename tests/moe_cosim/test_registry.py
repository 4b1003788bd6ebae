"""Registries: names to classes, ours and those that other packages bring."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import moe_cosim
from moe_cosim.errors import InputError
from moe_cosim.hw_models.units.described import unit_models
from moe_cosim.hw_models.units.kinds import unit_kinds
from moe_cosim.registry import Registry
from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.reproduce.base import registry as reproductions
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.quantization.allocation import allocators
from moe_cosim.workloads.routing.routing import routers


class Base:
    pass


def empty(monkeypatch: pytest.MonkeyPatch) -> Registry[Base]:
    monkeypatch.setattr("moe_cosim.registry.entry_points", lambda group: ())
    return Registry("thing", "things")


def test_what_is_registered_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = empty(monkeypatch)

    @registry.register("b")
    class Second(Base):
        pass

    @registry.register("a")
    class First(Base):
        pass

    assert registry.names() == ["a", "b"]
    assert list(registry) == [("a", First), ("b", Second)]
    assert registry.get("b") is Second


def test_an_unknown_name_says_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = empty(monkeypatch)
    registry.register("first")(Base)
    with pytest.raises(InputError) as error:
        registry.get("frist", "x.yaml", "thing.name")
    assert str(error.value) == ("x.yaml: thing.name: found 'frist'; allowed: one of first (did you mean 'first'?)")
    with pytest.raises(InputError, match="experiment: thing: found 'other'"):
        registry.get("other")


def test_a_taken_name_is_refused_to_another_class(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = empty(monkeypatch)
    registry.register("x")(Base)
    namesake = type("Base", (), {"__module__": "somewhere.else"})
    with pytest.raises(ValueError, match=r"thing 'x' is registered already, by tests.moe_cosim.test_registry"):
        registry.register("x")(namesake)
    assert registry.get("x") is Base


def test_a_module_imported_anew_registers_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = empty(monkeypatch)
    registry.register("x")(Base)
    again = type("Base", (), {"__module__": Base.__module__, "__qualname__": Base.__qualname__})
    assert registry.register("x")(again) is again
    assert registry.get("x") is again


@pytest.mark.parametrize(
    ("registry", "group", "some"),
    [
        (policies, "moe_cosim.policies", {"lru", "monde", "cxl-ndp"}),
        (engines, "moe_cosim.engines", {"embedded"}),
        (routers, "moe_cosim.routers", {"generator", "trace"}),
        (allocators, "moe_cosim.allocators", {"prefix", "uniform", "greedy"}),
        (unit_kinds, "moe_cosim.unit_kinds", {"gpu", "ndp", "cpu", "dma"}),
        (unit_models, "moe_cosim.unit_models", {"saturating-gpu", "systolic-arrays"}),
        (reproductions, "moe_cosim.reproductions", {"cxl-ndp"}),
    ],
)
def test_every_kind_has_its_group(registry: Registry[object], group: str, some: set[str]) -> None:
    assert registry.group == group
    assert set(registry.names()) >= some


# -- a package from outside ---------------------------------------------------------------------

OUTSIDE = '''
from moe_cosim.workloads.plan import Copy
from moe_cosim.workloads.policies.base import Policy, policies


@policies.register("all-near-data")
class AllNearData(Policy):
    """Every expert where it lives."""

    summary = "every expert computed near the data, for a test"
    homes = ("near-data",)

    def prepare(self):
        self.context.keep_all(self.context.quantization.expert_format)

    def plan_layer(self, demand):
        for expert, tokens in zip(demand.experts, demand.tokens):
            home = self.context.home(demand.layer, expert, self.context.quantization.expert_format)
            self.plan.run(expert, tokens, self.context.ndp_of(expert).name, home)
'''
SETTINGS = {"policy": {"name": "all-near-data"}, "workload.prompt_tokens": 4, "workload.output_tokens": 3}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[object]]:
    """A package that brings a policy, as if installed, and the registry as if just imported."""
    (tmp_path / "outside_policies.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(str(tmp_path))
    point = importlib.metadata.EntryPoint("all-near-data", "outside_policies", "moe_cosim.policies")

    def entry_points(group: str) -> tuple[importlib.metadata.EntryPoint, ...]:
        return (point,) if group == point.group else ()

    policies.names()  # the project's own
    monkeypatch.setattr("moe_cosim.registry.entry_points", entry_points)
    monkeypatch.setattr(policies, "_loaded", False)
    monkeypatch.setattr(policies, "_entries", dict(policies._entries))
    yield policies
    sys.modules.pop("outside_policies", None)


def test_a_policy_from_outside_runs(installed: Registry[object]) -> None:
    result = moe_cosim.run("monde-mixtral-8x7b", SETTINGS)
    assert result.policy == "all-near-data"
    assert result.experts["near_data_share"] == 1.0
    assert result.experts["moves"] == 0
    assert result.decode_tokens_per_s is not None
    assert result.decode_tokens_per_s > 0


def test_it_is_listed_with_the_others(installed: Registry[object]) -> None:
    assert {"all-near-data", "lru"} <= set(installed.names())


def test_without_the_package_there_is_no_such_policy() -> None:
    with pytest.raises(InputError, match=r"policy.name: found 'all-near-data'; allowed: one of all-on-gpu"):
        moe_cosim.run("monde-mixtral-8x7b", SETTINGS)


def test_a_package_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point = importlib.metadata.EntryPoint("broken", "no_such_module_at_all", "moe_cosim.things")
    monkeypatch.setattr("moe_cosim.registry.entry_points", lambda group: (point,))
    registry: Registry[Base] = Registry("thing", "things")
    registry.register("good")(Base)
    for _ in range(2):  # the second look-up does not forget what failed
        with pytest.raises(InputError, match=r"entry point broken: moe_cosim.things: found ModuleNotFoundError"):
            registry.get("good")
