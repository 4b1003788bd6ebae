"""A store of made-up results, whose every number is known, and the folder of a small run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.figures.page import STYLE
from moe_cosim.sim.run import run
from moe_cosim.sim.sweep.store.record import PointRecord
from moe_cosim.sim.sweep.store.store import Store
from tests.sim.tiny import EXPERIMENT, MODEL, Tiny

SYSTEMS = {"on-demand": 2.0, "monde": 8.0, "cxl-ndp": 32.0}
MODELS = {"mixtral-8x7b": 1.0, "phi-3.5-moe": 4.0, "qwen3-30b-a3b": 16.0}
SEEDS = (0.9, 1.0, 1.2)
"""Factors; their median is 1."""
PURPOSES = {"expert": 6.0, "attention": 3.0, "head": 0.999, "gate": 0.001}
"""Shares of a run's time, in tenths."""

JOULES = (("gpu.sm", "static", 6.0), ("gpu.hbm", "read", 3.0), ("gpu.sm", "active", 1.0))


def speed(system: str, model: str) -> float:
    """The median over the seeds, in tokens per second; one system is three times as fast on one model."""
    return SYSTEMS[system] * MODELS[model] * (3.0 if (system, model) == ("monde", "phi-3.5-moe") else 1.0)


def result(system: str, model: str, factor: float) -> dict[str, Any]:
    total = 10.0 / (speed(system, model) * factor)
    return {
        "policy": system,
        "decode_tokens_per_s": speed(system, model) * factor,
        "decode_s": total,
        "decode_steps": 4,
        "experts": {"hit_rate": 0.5},
        "critical_path": [
            {"unit": "gpu.sm", "phase": "decode", "purpose": name, "bound": "compute", "seconds": total * part / 10}
            for name, part in PURPOSES.items()
        ],
        "energy_components": [
            {"component": component, "kind": "unit", "cause": cause, "joules": joules}
            for component, cause, joules in (
                ("gpu.sm", "static", 6.0),
                ("gpu.hbm", "read", 3.0),
                ("gpu.sm", "active", 1.0),
            )
        ],
        "traffic": {"weights": {"memory_bytes": 7 * 10**9, "crossed_bytes": 10**9}},
        "energy": {"joules_per_token": 1.0 / SYSTEMS[system]},
    }


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three systems on three models with three seeds; the fastest was not run on the last model."""
    found = Store.create(tmp_path_factory.mktemp("figures") / "store")
    number = 0
    for system in SYSTEMS:
        for model in MODELS:
            for seed, factor in enumerate(SEEDS):
                number += 1
                experiment = {
                    "model": model,
                    "policy": {"name": system},
                    "workload": {"batch": 2, "output_tokens": 5},
                    "assumptions": {"cxl-link-rate": f"{16 * (1 + seed)} GB/s"},
                    "seed": seed,
                }
                record = PointRecord(
                    f"{number:032x}", "finished", experiment, {}, {"core": "a"}, "1", "host", 1.0,
                    "2026-01-01T00:00:00+00:00", result(system, model, factor),
                )  # fmt: skip
                if (system, model) != ("cxl-ndp", "qwen3-30b-a3b"):
                    found.write(record)
    failed = replace(record, point_id=f"{999:032x}", status="failed", result=None, error="too large")
    found.write(failed)
    return found


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run that kept its events."""
    tiny = Tiny(tmp_path_factory.mktemp("run"))
    tiny.path.write_text(EXPERIMENT)
    tiny.write_model(**MODEL)
    run(load_experiment(tiny.path), {"workload.output_tokens": 6}, tiny.folder / "small")
    return tiny.folder / "small"


@pytest.fixture
def matplotlib_style() -> Iterator[Any]:
    """Pyplot under the rules of our pages; all figures are closed after the test."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE):
        yield pyplot
    pyplot.close("all")
