"""Randomly initialised small models of transformers: what is recorded is what their own router logits say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moe_cosim.capture import capture
from moe_cosim.workloads.routing import read_trace

pytestmark = pytest.mark.live_capture
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SMALL = {
    "vocab_size": 64, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 128, "num_experts_per_tok": 2, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
MODELS = {
    "Mixtral": SMALL | {"num_local_experts": 6},
    "Qwen2Moe": SMALL | {"num_experts": 6, "moe_intermediate_size": 8, "shared_expert_intermediate_size": 8},
    "Qwen3Moe": SMALL | {"num_experts": 6, "moe_intermediate_size": 8, "norm_topk_prob": True, "head_dim": 8},
    "Olmoe": SMALL | {"num_experts": 6},
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    config = getattr(transformers, f"{request.param}Config")(**MODELS[request.param])
    made = getattr(transformers, f"{request.param}ForCausalLM")(config).eval()
    with torch.no_grad():  # routers start at zero in some families
        for parameter in made.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return made


def chosen(model: Any, ids: Any) -> np.ndarray:
    """[tokens, layers, k] of one sequence, by the model's own logits."""
    with torch.no_grad():
        logits = model(ids, output_router_logits=True).router_logits
    return np.stack([np.argsort(-layer.numpy(), axis=1, kind="stable")[:, :2] for layer in logits], axis=1)


def test_what_is_generated_is_recorded(model: Any, tmp_path: Path) -> None:
    prompts = torch.randint(3, 64, (2, 7))
    prompts[1, :3] = 0
    mask = (prompts != 0).long()
    with capture(model) as recorder:
        said = model.generate(prompts, attention_mask=mask, max_new_tokens=9, min_new_tokens=9, do_sample=False)
    recorder.trace().save(tmp_path / "t.npz")
    trace = read_trace(tmp_path / "t.npz")
    # the last token is said and not read
    assert trace.lengths.tolist() == [7 + 8, 4 + 8]
    assert (trace.layers, trace.num_experts) == (3, 6)
    np.testing.assert_array_equal(trace.experts[:15], chosen(model, said[:1, :-1]))
    np.testing.assert_array_equal(trace.experts[15:], chosen(model, said[1:, 3:-1]))
    np.testing.assert_allclose(trace.weights.sum(axis=2), 1, rtol=1e-5)
    assert (np.diff(trace.weights, axis=2) <= 0).all()


def test_the_model_computes_the_same_while_recorded(model: Any) -> None:
    ids = torch.randint(3, 64, (1, 9))
    with torch.no_grad():
        alone = model(ids).logits
        with capture(model) as recorder:
            recorded = model(ids).logits
            model(ids)
    assert torch.equal(alone, recorded)
    assert recorder.trace().lengths.tolist() == [9, 9]
