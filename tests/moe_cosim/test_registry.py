"""Registries: names to classes and objects, the project's own."""

from __future__ import annotations

import pytest

from moe_cosim.errors import InputError
from moe_cosim.hw_models.formats import WeightFormat, find_format, formats, register_format
from moe_cosim.hw_models.units.described import unit_models
from moe_cosim.hw_models.units.kinds import unit_kinds
from moe_cosim.registry import Registry
from moe_cosim.sim.batch.base import schedulers
from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.reproduce.base import registry as reproductions
from moe_cosim.workloads.models.family import families
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.quantization.allocation import allocators
from moe_cosim.workloads.routing.readers.trace_format import trace_formats
from moe_cosim.workloads.routing.routing import routers


class Base:
    pass


@pytest.fixture
def registry() -> Registry[type[Base]]:
    return Registry("thing", "things")


def test_what_is_registered_is_found(registry: Registry[type[Base]]) -> None:
    @registry.register("b")
    class Second(Base):
        pass

    @registry.register("a")
    class First(Base):
        pass

    assert registry.names() == ["a", "b"]
    assert list(registry) == [("a", First), ("b", Second)]
    assert registry.get("b") is Second
    assert registry.left_out() == []


def test_an_unknown_name_says_what_there_is(registry: Registry[type[Base]]) -> None:
    registry.register("first")(Base)
    with pytest.raises(InputError) as error:
        registry.get("frist", "x.yaml", "thing.name")
    assert str(error.value) == ("x.yaml: thing.name: found 'frist'; allowed: one of first (did you mean 'first'?)")
    with pytest.raises(InputError, match="experiment: thing: found 'other'"):
        registry.get("other")


def test_a_taken_name_is_refused_to_another_class(registry: Registry[type[Base]]) -> None:
    registry.register("x")(Base)
    namesake = type("Base", (), {"__module__": "somewhere.else"})
    with pytest.raises(ValueError, match=r"thing 'x' is registered already, by tests.moe_cosim.test_registry"):
        registry.register("x")(namesake)
    assert registry.get("x") is Base


def test_a_module_imported_anew_registers_anew(registry: Registry[type[Base]]) -> None:
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
        (trace_formats, "moe_cosim.trace_formats", {"moe-cosim", "json-lines", "imatrix"}),
        (allocators, "moe_cosim.allocators", {"prefix", "uniform", "greedy"}),
        (formats, "moe_cosim.formats", {"fp16", "int4", "mxfp4"}),
        (families, "moe_cosim.model_families", {"mixtral", "deepseek_v3"}),
        (unit_kinds, "moe_cosim.unit_kinds", {"gpu", "ndp", "cpu", "dma"}),
        (unit_models, "moe_cosim.unit_models", {"tile-gpu", "systolic-arrays"}),
        (schedulers, "moe_cosim.schedulers", {"slurm", "pbs"}),
        (reproductions, "moe_cosim.reproductions", {"cxl-ndp"}),
    ],
)
def test_every_kind_has_its_group(registry: Registry[object], group: str, some: set[str]) -> None:
    assert registry.group == group
    assert set(registry.names()) >= some


# -- objects ------------------------------------------------------------------------------------


@pytest.fixture
def own_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_entries", dict(formats._entries))


@pytest.mark.usefixtures("own_formats")
def test_a_format_is_known_by_its_own_name() -> None:
    nf4 = register_format(WeightFormat("nf4", 4, group_size=64, scale_bits=16))
    assert find_format("nf4") is nf4
    assert register_format(WeightFormat("nf4", 4, group_size=64, scale_bits=16)) == nf4, "the module imported anew"
    with pytest.raises(ValueError, match="format 'nf4' is registered already"):
        register_format(WeightFormat("nf4", 4, group_size=128, scale_bits=16))


@pytest.mark.parametrize("sizes", [{"bits": 0}, {"bits": 4, "group_size": -1}, {"bits": 4, "scale_bits": -16}])
def test_formats_that_hold_nothing(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="format 'x': at least 1 bit"):
        WeightFormat("x", **sizes)
