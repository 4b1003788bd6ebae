"""Every number that a run or an experiment has is called something that can stand in a figure."""

import re
from dataclasses import fields, is_dataclass
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from moe_cosim.assumptions import Assumptions
from moe_cosim.experiment import DraftChoice, Experiment, VerifyChoice
from moe_cosim.hw_models.build import read_machine
from moe_cosim.hw_models.catalog import entries
from moe_cosim.options import option_rows
from moe_cosim.sim.display.labels import Label, label
from moe_cosim.sim.display.metrics import METRICS, STORE
from moe_cosim.sim.display.names import component, model, system, value
from moe_cosim.sim.display.parameters import PARAMETERS, WITH_OPTIONS, options_of
from moe_cosim.sim.display.units import better, shown, unit_of
from moe_cosim.sim.results.energy.components import group_names
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.rows import ROWS
from moe_cosim.sim.sweep.store.columns import DIGESTS, FIRST
from moe_cosim.workloads.models.find import model_names
from moe_cosim.workloads.policies.base import policies

PARTS = (VerifyChoice, DraftChoice)
"""That an experiment may leave out."""
PATH = re.compile(r"[_:]|\w\.\w|->")
"""What no label has: it is a path's."""
COUNTED = ("events", "operations", "copies", "near_data", "gpu_hits", "gpu_misses", "decode_steps", "seed", "ratio")
COUNTED += ("gpu_hits_by_prefetch", "skipped", "moves", "runs_per_layer", "mean_loss", "distinct_experts")
"""Numbers without a unit."""


@pytest.mark.parametrize("row", [Result, *ROWS.values()], ids=lambda row: row.__name__)
def test_every_field_of_a_result_has_a_label_of_its_own(row: type[Any]) -> None:
    names = [field.name.removesuffix("_") for field in fields(row) if not field.name.startswith("_")]
    assert list(METRICS[row]) == names
    texts = list(METRICS[row].values())
    assert len(set(texts)) == len(texts)
    assert all(text and text[0].isupper() and not PATH.search(text) for text in texts)


def test_every_number_of_a_result_has_a_unit_or_is_a_count() -> None:
    for row in METRICS:
        assert is_dataclass(row)
        for field in fields(row):
            if str(field.type).split(" | ")[0] in ("int", "float") and not field.name.startswith("_"):
                assert bool(unit_of(field.name)) != (field.name in COUNTED), field.name


def leaves(kind: type[BaseModel], prefix: str = "") -> list[str]:
    found = []
    for name, field in kind.model_fields.items():
        inner = next((each for each in get_args(field.annotation) if each in PARTS), field.annotation)
        nested = isinstance(inner, type) and issubclass(inner, BaseModel)
        found += leaves(inner, f"{prefix}{name}.") if nested else [f"{prefix}{name}"]  # type: ignore[arg-type]
    return found


def test_every_field_of_an_experiment_has_a_label() -> None:
    within = {
        "routing.source",
        "neurons.source",
        "policy.name",
        "engine.name",
        "workload.verify",
        "workload.verify.draft",
    }
    assert set(PARAMETERS) == {*leaves(Experiment), *within}
    assert label("workload.prompt_tokens") == Label("Prompt length", "tokens")


@pytest.mark.parametrize("kind", WITH_OPTIONS)
def test_every_option_of_a_plug_in_has_a_label_with_its_unit(kind: str) -> None:
    assert len(options_of(kind)) > 1
    for options in options_of(kind):
        for row in option_rows(options):
            found = label(f"{kind}.{row.field}")
            assert found.name
            assert not PATH.search(found.name)
            assert f"{found.name} {found.unit}".strip().endswith(row.unit)
            assert not found.name.endswith(" s")


def test_every_column_of_a_store_has_a_label() -> None:
    assert set(STORE) == {*FIRST, *DIGESTS, "sweep", "variant"}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("decode_tokens_per_s", "Decode throughput (tokens/s)"),
        ("units.gpu.sm.utilization", "Utilization, GPU SMs (share)"),
        ("memories.ndp0.dram.read_bytes", "Read, NDP 0 DRAM (B)"),
        ("links.gpu-cxl:gpu.xbar->cxl.ports.bytes", "Carried, GPU → CXL switch (B)"),
        (
            "critical_path.gpu.sm.decode.move weights.traffic.seconds",
            "Time on the critical path, GPU SMs, decode, move weights, traffic (s)",
        ),
        ("energy_components.dimm*.dram.read.joules", "Energy, DIMM DRAM, read (J)"),
        ("energy_purposes.decode.expert.joules", "Energy, Decode, expert (J)"),
        ("energy.joules_per_token", "Energy per token (J/token)"),
        ("traffic.kv.crossed_bytes", "Traffic between devices, KV (B)"),
        ("experts.hit_rate", "GPU hit rate (share)"),
        ("policy.gpu_experts", "GPU experts (per layer)"),
        ("policy.cache_experts", "Cache experts"),
        ("engine.time_limit_s", "Time limit (s)"),
        ("assumptions.cxl-link-rate", "CXL link rate"),
        ("machine.set.ndp.count", "NDP count, changed"),
        ("workload.batch", "Batch size"),
        ("variant", "System"),
    ],
)
def test_a_column_is_called_by_name_and_unit(column: str, text: str) -> None:
    assert label(column).text() == text


def test_parts_of_every_machine_have_names_of_their_own() -> None:
    for entry in entries("machine"):
        if "measured" in entry.name:  # needs an extra
            continue
        machine, _ = read_machine(entry.name, Assumptions(), {})
        found = [*machine.units, *machine.memories, *(one.name for one in machine.resources)]
        named = {name: component(name) for name in found}
        assert not any(PATH.search(text) for text in named.values()), named
        assert len(set(named.values())) == len(set(named)), entry.name
        assert not any(PATH.search(label(f"assumptions.{one.name}").name) for one in machine.assumptions)
        groups = set(group_names(machine).values())
        assert len({component(name) for name in groups}) == len(groups), entry.name


def test_systems_and_models_are_written_as_their_authors_do() -> None:
    assert [system(name) for name in ("trimoe", "monde-dimm", "cxl-ndp")] == ["TriMoE", "MoNDE (DIMM)", "CXL-NDP"]
    assert model("qwen3-235b-a22b") == "Qwen3-235B-A22B"
    assert model("mixtral-8x7b") == "Mixtral-8x7B"
    assert value("my own variant") == "my own variant"
    for name in model_names():
        assert re.fullmatch(r"[\w.]+(-[\w.]+)*", model(name))
        assert not re.search(r"\db\b", model(name))
    unspelt = [name for name in policies.names() if system(name).lower() == system(name)]
    assert unspelt == []


def test_prefixes_suit_the_largest_value() -> None:
    assert shown([3e9, 64e9], "B/s") == (1e9, "GB/s")
    assert shown([0.002, 0.5], "s") == (1e-3, "ms")
    assert shown([12.0, 5000.0], "s") == (1.0, "s")
    assert shown([4.5], "tokens/s") == (1.0, "tokens/s")
    assert shown([0.3], "share") == (0.01, "%")
    assert shown([0.0], "s") == (1.0, "s")
    factor, unit = shown([2.5e9], "ps")
    assert unit == "ms"
    assert factor == pytest.approx(1e9)
    assert Label("Energy", "J").scaled([1500.0, 250.0]) == ([1.5, 0.25], "Energy (kJ)")


def test_what_is_better_is_known_by_the_unit() -> None:
    assert [better(unit) for unit in ("tokens/s", "s", "J/token", "share", "")] == ["higher", "lower", "lower", "", ""]
