"""Configurations that aiconfigurator-core packages: which are read, and the sizes that their names say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.models import Model, find_model
from tests.workloads.models.packaged import packaged_configurations

NOT_READ = {"DeepSeek-V4": "compress_ratios"}
"""By a part of the name, the field that says why; docs/models.md lists them too."""
LEAST_READ = 60
NAMED_ROUGHLY = ("emma-4-26B", "Nano-30B", "Lightning-30B")
"""Of 25.2 and 31.6 billion, as their cards say (`test_models_catalog`)."""


@pytest.fixture(scope="module")
def found() -> dict[Path, Model | InputError]:
    paths = packaged_configurations()
    if not paths:
        pytest.skip("aiconfigurator-core is not installed")
    return {path: _read(path) for path in paths}


def _read(path: Path) -> Model | InputError:
    try:
        return find_model(path)
    except InputError as error:
        return error


def test_most_are_read_and_the_others_say_why(found: dict[Path, Model | InputError]) -> None:
    refused = {path.name: each.field for path, each in found.items() if isinstance(each, InputError)}
    assert len(found) - len(refused) >= LEAST_READ
    for name, field in refused.items():
        assert [field] == [why for part, why in NOT_READ.items() if part in name], name


def test_sizes_are_those_of_their_names(found: dict[Path, Model | InputError]) -> None:
    """``235B-A22B``: totals within 1 %, active ones within the rounding, with or without embedding and head."""
    compared = 0
    for path, model in found.items():
        name = re.search(r"(\d+)B-A(\d+)B", path.name)
        if name is None or isinstance(model, InputError) or any(part in path.name for part in NAMED_ROUGHLY):
            continue
        total, active, compared = float(name[1]), float(name[2]), compared + 1
        assert model.total_params / 1e9 == pytest.approx(total, rel=0.01, abs=0.7), path.name
        tables = model.embedding_params + model.head_params
        low, high = (model.active_params - tables) / 1e9, model.active_params / 1e9
        assert low - 0.5 <= active <= high + 0.5, path.name
    assert compared >= 15


def test_other_editions_of_a_model_are_that_model(found: dict[Path, Model | InputError]) -> None:
    same = {
        "DeepSeek-R1_": "deepseek-v3",
        "DeepSeek-V3_": "deepseek-v3",
        "DeepSeek-V3.1-NVFP4": "deepseek-v3",
        "Kimi-K2.6-NVFP4": "kimi-k2",
        "GLM-5.1-FP8": "glm-5",
        "MiniMax-M2.5-NVFP4": "minimax-m2",
        "Qwen3-235B-A22B-FP8": "qwen3-235b-a22b",
        "gpt-oss-120b": "gpt-oss-120b",
        "Mixtral-8x7B": "mixtral-8x7b",
    }
    for part, name in same.items():
        (model,) = (model for path, model in found.items() if part in path.name)
        assert model == find_model(name), part
