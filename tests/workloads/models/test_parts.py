"""The parts of a model add up to what the model says of itself."""

from __future__ import annotations

import pytest

from moe_cosim.workloads.models.find import find_model, model_names
from moe_cosim.workloads.models.parts import parts


@pytest.mark.parametrize("name", model_names())
def test_parts_add_up(name: str) -> None:
    model = find_model(name)
    found = parts(model)
    assert sum(part.params for part in found) == model.total_params
    assert sum(part.active_params for part in found) == model.active_params
    assert sum(part.params for part in found if part.block == "expert") == model.routed_params
    assert {part.block for part in found} >= {"embedding", "attention", "router", "expert"}


def test_latent_attention_by_its_projections() -> None:
    """DeepSeek-V2 (arXiv 2405.04434, 3.1.2): 128 heads of 128 + 64, latents of 1536 and 512."""
    shapes = {
        part.name: (part.rows, part.columns) for part in parts(find_model("deepseek-v2")) if part.block == "attention"
    }
    assert shapes == {
        "query down": (5120, 1536),
        "query up": (1536, 128 * 192),
        "key and value down": (5120, 512 + 64),
        "key and value up": (512, 128 * (128 + 128)),
        "output": (128 * 128, 5120),
    }
