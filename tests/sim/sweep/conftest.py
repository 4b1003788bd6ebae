"""Small sweeps: a two-layer model, one token in and two out, some milliseconds a point."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from moe_cosim.sim.sweep.plan.plan import SweepPlan, plan_sweep
from moe_cosim.sim.sweep.pool.local import run_points
from moe_cosim.sim.sweep.store.store import Store

MODEL = {
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "num_hidden_layers": 2,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "vocab_size": 1000,
    "tie_word_embeddings": False,
}

WriteSweep = Callable[..., Path]


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds ``base.yaml``, an experiment of a tiny model, and ``model.json``."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "model.json").write_text(json.dumps(MODEL))
    experiment = {
        "name": "tiny",
        "machine": {"use": "h100-host"},
        "model": "model.json",
        "routing": {"source": "generator", "preset": "mixtral-8x7b"},
        "workload": {"batch": 1, "prompt_tokens": 1, "output_tokens": 2},
        "policy": {"name": "hobbit", "t1": 0.6, "t2": 0.9, "low_format": "int4", "prefetch_layers": 1},
    }
    (folder / "base.yaml").write_text(yaml.safe_dump(experiment))
    return folder


@pytest.fixture
def write_sweep(base_folder: Path, tmp_path: Path) -> WriteSweep:
    """Writes a sweep over the tiny experiment; fields as in the file."""

    def write(name: str = "sweep", **fields: Any) -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump({"base": str(base_folder / "base.yaml"), **fields}, sort_keys=False))
        return path

    return write


@pytest.fixture(scope="session")
def computed(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, SweepPlan]:
    """A store with eight finished points and two that fail. Not to be changed: copy it."""
    folder = tmp_path_factory.mktemp("computed")
    sweep = {
        "base": str(base_folder / "base.yaml"),
        "grid": {"workload.batch": [1, 2], "policy.t1": [0.2, 0.6]},
        "seeds": 2,
        "variants": {"plain": {}, "broken": {"set": {"policy.low_format": "int5"}}},
        "where": "variant == 'plain' or (seed == 0 and policy.t1 > 0.5)",
    }
    (folder / "computed.yaml").write_text(yaml.safe_dump(sweep, sort_keys=False))
    plan = plan_sweep(folder / "computed.yaml")
    store = Store.create(folder / "store")
    store.add_plan(plan)
    outcome = run_points(store, plan, workers=2)
    assert (outcome.finished, len(outcome.failures)) == (8, 2)
    return store, plan
