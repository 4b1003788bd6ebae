"""Reading routing traces in every format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.routing import read_trace
from tests.workloads.routing.traces import LAYERS, K, arrays_of, example, write

DATA = Path(__file__).resolve().parents[5] / "shared" / "data" / "routing"


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"weights": None, "domains": None},
        {"prompt_tokens": np.array([5, 6, 7])},
        {"num_experts_known": False},
    ],
)
def test_own_format_round_trip(tmp_path: Path, extra: dict) -> None:
    saved = example(**extra)
    saved.save(tmp_path / "t.routing")
    loaded = read_trace(tmp_path / "t.routing")
    for name in ("experts", "weights", "offsets", "prompt_tokens"):
        np.testing.assert_array_equal(getattr(saved, name), getattr(loaded, name))
    assert (loaded.num_experts, loaded.num_experts_known) == (saved.num_experts, saved.num_experts_known)
    assert loaded.domains == saved.domains
    assert loaded.experts.dtype == np.uint16


def test_published_arrays_with_unnormalised_half_precision_weights(tmp_path: Path) -> None:
    trace = example()
    arrays = arrays_of(trace) | {"domain": np.array(["a", "b", "a"]), "experts": trace.experts.astype(np.uint8)}
    arrays["weights"] = (trace.weights * 0.3).astype(np.float16)
    arrays["weights"][0, 0] = 0
    loaded = read_trace(write(tmp_path / "t.npz", **arrays))
    assert loaded.weights is not None
    np.testing.assert_allclose(loaded.weights.sum(axis=2), 1, rtol=1e-6)
    np.testing.assert_allclose(loaded.weights[1:], trace.weights[1:], atol=2e-3)
    assert loaded.weights[0, 0].tolist() == [0.5, 0.5]
    assert loaded.domains == ("a", "b", "a")
    assert not loaded.num_experts_known


def test_router_logits_choose_the_largest(tmp_path: Path) -> None:
    logits = np.zeros((2, 3, 5), np.float32)
    logits[..., 4] = np.log(3)
    logits[..., 2] = np.log(2)
    trace = read_trace(write(tmp_path / "logits.npz", router_logits=logits), top_k=2)
    assert trace.experts.shape == (3, 2, 2)
    assert trace.experts[0, 0].tolist() == [4, 2]
    assert trace.weights is not None
    np.testing.assert_allclose(trace.weights[0, 0], [0.6, 0.4], rtol=1e-6)
    with pytest.raises(InputError, match="top_k"):
        read_trace(tmp_path / "logits.npz", top_k=6)


@pytest.mark.skipif(not DATA.exists(), reason="the real traces are not beside the checkout")
def test_real_traces_are_read() -> None:
    deepseek = read_trace(DATA / "deepseek_v2_lite_top6.npz")
    assert (deepseek.documents, deepseek.layers, deepseek.top_k, deepseek.num_experts) == (213, 26, 6, 64)
    assert deepseek.prompt_tokens is None
    gpt_oss = read_trace(DATA / "gpt_oss_20b_decode_top4.npz")
    assert (gpt_oss.documents, gpt_oss.layers, gpt_oss.top_k, gpt_oss.num_experts) == (395, 24, 4, 32)
    assert gpt_oss.weights is None
    assert gpt_oss.prompt_tokens is not None


def test_lines_of_layers_are_passes_of_tokens(tmp_path: Path) -> None:
    experts = example((5,)).experts
    passes = [experts[:3], experts[3:4], experts[4:]]
    lines = [f"{layer},{e}" for part in passes for layer in range(LAYERS) for e in part[:, layer].ravel()]
    path = tmp_path / "log"
    path.write_text("\n".join(["layer,expert", *lines]))
    np.testing.assert_array_equal(read_trace(path, top_k=K).experts, experts)
    for wrong, message in ((lines[:-1], "passes that are not whole"), (["0,x"], "two whole numbers")):
        path.write_text("\n".join(["layer,expert", *wrong]))
        with pytest.raises(InputError, match=message):
            read_trace(path, top_k=K)
    with pytest.raises(InputError, match="top_k"):
        read_trace(path)
