"""What hooks hear becomes documents; without torch, on stand-ins of a model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from moe_cosim.capture import capture, from_vllm
from moe_cosim.capture.hugging_face import chosen_of
from moe_cosim.errors import InputError

EXPERTS, K = 5, 2


class Module:
    """As much of a torch module as is asked for."""

    def __init__(self) -> None:
        self.hooks: list[Any] = []
        self.before: list[Any] = []

    def register_forward_hook(self, hook: Any, with_kwargs: bool = False) -> Any:
        self.hooks.append(hook)
        return SimpleNamespace(remove=lambda: self.hooks.remove(hook))

    def register_forward_pre_hook(self, hook: Any, with_kwargs: bool) -> Any:
        self.before.append(hook)
        return SimpleNamespace(remove=lambda: self.before.remove(hook))


class Router(Module):
    weight = np.zeros((EXPERTS, 3))


class Model(Module):
    """Two layers of experts after a dense one, whose ``gate`` is a projection of another size."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(num_local_experts=EXPERTS, num_experts_per_tok=K, pad_token_id=9)
        self.routers = {"layers.1.mlp.gate": Router(), "layers.2.mlp.gate": Router()}
        dense = SimpleNamespace(weight=np.zeros((12, 3)))
        self.named_modules = lambda: [("layers.0.mlp.gate", dense), *self.routers.items()]

    def forward(self, ids: np.ndarray, logits: np.ndarray, past: int, mask: np.ndarray | None = None) -> None:
        """ids [sequences, tokens], logits [sequences, tokens, layers, experts]."""
        keywords = {
            "input_ids": ids,
            "attention_mask": mask,
            "past_key_values": SimpleNamespace(get_seq_length=lambda: past),
        }
        for hook in self.before:
            hook(self, (), keywords)
        for layer, router in enumerate(self.routers.values()):
            for hook in router.hooks:
                hook(router, (), logits[:, :, layer].reshape(-1, EXPERTS))
        for hook in self.hooks:
            hook(self, (), keywords, None)


def best(logits: np.ndarray) -> np.ndarray:
    return np.argsort(-logits, axis=-1)[..., :K]


def test_passes_become_documents(tmp_path: Any) -> None:
    """Two batches; padding on the left; a sequence that ends before the other."""
    rng, model = np.random.default_rng(0), Model()
    prompt, steps = rng.random((2, 3, 2, EXPERTS)), rng.random((4, 2, 1, 2, EXPERTS))
    alone = rng.random((1, 4, 2, EXPERTS))
    with capture(model) as recorder:
        mask = np.array([[1, 1, 1], [0, 1, 1]])
        model.forward(np.ones((2, 3), int), prompt, 0, mask)
        for number, logits in enumerate(steps):
            mask = np.concatenate([mask, np.ones((2, 1), int)], axis=1)
            model.forward(np.array([[9 if number >= 2 else 1], [1]]), logits, 3 + number, mask)
        model.forward(np.ones((1, 4), int), alone, 0)
    assert not model.hooks + model.before + [h for router in model.routers.values() for h in router.hooks]
    recorder.trace().save(tmp_path / "t.npz")
    trace = recorder.trace()
    assert trace.lengths.tolist() == [3 + 2, 2 + 4, 4]
    assert (trace.layers, trace.top_k, trace.num_experts) == (2, K, EXPERTS)
    expected = [prompt[0], *steps[:2, 0], prompt[1, 1:], *steps[:, 1], alone[0]]
    np.testing.assert_array_equal(trace.experts, best(np.concatenate(expected)))
    np.testing.assert_allclose(trace.weights.sum(axis=2), 1, rtol=1e-6)


LOGITS = np.array([[0.0, 3.0, 1.0, 2.0, -1.0], [5.0, 4.0, 0.0, 0.0, 1.0]], np.float32)
IDS, GATES = np.array([[1, 3], [0, 1]]), np.array([[0.7, 0.3], [0.6, 0.4]], np.float32)
DENSE = np.zeros((2, EXPERTS), np.float32)
np.put_along_axis(DENSE, IDS, GATES, axis=1)


@pytest.mark.parametrize(
    "output",
    [
        (LOGITS, GATES, IDS),
        (IDS, GATES),
        (DENSE, IDS),
        (IDS[:, ::-1], GATES[:, ::-1]),
        (LOGITS, GATES[None], IDS[None]),
    ],
)
def test_whatever_a_router_returns(output: tuple[np.ndarray, ...]) -> None:
    ids, gates = chosen_of(output, K)
    np.testing.assert_array_equal(ids, IDS)
    np.testing.assert_array_equal(gates, GATES)


def test_logits_alone_and_logits_with_ids() -> None:
    for output in (LOGITS, (LOGITS,), (LOGITS, IDS)):
        ids, gates = chosen_of(output, K)
        np.testing.assert_array_equal(ids, IDS)
        np.testing.assert_allclose(gates[:, 1] / gates[:, 0], np.exp([-1.0, -1.0]), rtol=1e-5)


def passes(model: Model, *sequences: int) -> None:
    for number, count in enumerate(sequences):
        model.forward(np.ones((count, 2), int), np.ones((count, 2, 2, EXPERTS)), 2 * number)


def test_passes_that_cannot_be_recorded() -> None:
    model = Model()
    with capture(model), pytest.raises(InputError, match="a pass of 2 sequences after one of 1"):
        passes(model, 1, 2)
    with capture(model):
        model.routers.popitem()
        with pytest.raises(InputError, match=r"layers\.2\.mlp\.gate: found 0 choices in a pass"):
            passes(model, 1)
    with capture(Model()) as recorder, pytest.raises(InputError, match="tokens: found none"):
        recorder.trace()


def test_models_that_cannot_be_recorded() -> None:
    model = Model()
    model.routers.clear()
    with pytest.raises(InputError, match="a model with routed experts"), capture(model):
        pass
    del model.config.num_local_experts
    with pytest.raises(InputError, match="no number of experts"), capture(model):
        pass


def test_requests_of_vllm() -> None:
    """As its documentation says; vLLM itself was not at hand."""
    experts = best(np.random.default_rng(0).random((7, 3, EXPERTS)))
    request = SimpleNamespace(
        outputs=[SimpleNamespace(routed_experts=experts[:4]), SimpleNamespace(routed_experts=experts)]
    )
    trace = from_vllm([request, request], EXPERTS)
    assert trace.lengths.tolist() == [4, 7, 4, 7]
    np.testing.assert_array_equal(trace.experts[4:11], experts)
    with pytest.raises(InputError, match="enable_return_routed_experts"):
        from_vllm([SimpleNamespace(outputs=[SimpleNamespace()])], EXPERTS)
