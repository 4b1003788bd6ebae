"""Reading routing traces in every format."""

from __future__ import annotations

import gzip
import json
import lzma
import pickle
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.routing import TokenTrace, read_trace
from moe_cosim.workloads.routing.statistics import expert_counts
from tests.workloads.routing.traces import EXPERTS, LAYERS, K, arrays_of, example, write

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "routing"


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


def test_json_lines_in_any_order_with_a_dense_first_layer(tmp_path: Path) -> None:
    trace = example((4, 3))
    document = trace.document_of_token()
    lines = [
        json.dumps(
            {
                "sequence": int(document[t]),
                "token": int(t - trace.offsets[document[t]]),
                "layer": layer + 1,
                "experts": trace.experts[t, layer].tolist(),
                "weights": trace.weights[t, layer].tolist(),
            }
        )
        for t in range(7)
        for layer in range(LAYERS)
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines[::-1]) + "\n\n")
    loaded = read_trace(path)
    np.testing.assert_array_equal(loaded.experts, trace.experts)
    np.testing.assert_allclose(loaded.weights, trace.weights, rtol=1e-6)
    assert loaded.offsets.tolist() == [0, 4, 7]


def counts_example() -> np.ndarray:
    """[steps, layers, experts] with an unused first layer and an empty step."""
    counts = np.zeros((4, LAYERS + 1, EXPERTS), np.int64)
    for step, tokens in enumerate((6, 0, 1, 9)):
        if tokens:
            chosen = example((tokens,), seed=step).experts
            counts[step, 1:] = expert_counts(chosen, EXPERTS)
    return counts


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_expert_counts_become_tokens_with_exactly_those_loads(tmp_path: Path, suffix: str) -> None:
    counts = counts_example()
    path = tmp_path / f"counts{suffix}"
    if suffix == ".npy":
        np.save(path, counts)
    else:
        write(path, logical_count=counts)
    trace = read_trace(path, top_k=K)
    assert trace.layers == LAYERS
    start = 0
    for step, tokens in ((0, 6), (2, 1), (3, 9)):
        found = expert_counts(trace.experts[start : start + tokens], EXPERTS)
        np.testing.assert_array_equal(found, counts[step, 1:])
        start += tokens
    assert start == len(trace.experts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.__setitem__((0, 1, 0), c[0, 1, 0] + 1), "layer 0"),
        (lambda c: c.__setitem__((0, 1, 0), -1), "0 or more"),
        (lambda c: c.__setitem__((2, 1), [2, 0, 0, 0, 0, 0, 0, 0]), "expert 0"),
        (lambda c: c.fill(0), "at least one step"),
    ],
)
def test_impossible_counts_are_refused(tmp_path: Path, change: object, message: str) -> None:
    counts = counts_example()
    change(counts)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        read_trace(write(tmp_path / "counts.npz", logical_count=counts), top_k=K)


def test_counts_need_the_models_k(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="top_k"):
        read_trace(write(tmp_path / "counts.npz", logical_count=counts_example()))


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


class _Storage:
    def __init__(self, data: np.ndarray) -> None:
        self.data = data


def torch_file(path: Path, value: object, storages: dict[str, np.ndarray], kind: str = "LongStorage") -> Path:
    """A file laid out as ``torch.save`` does, made without torch: tensors in `value` are _Tensor."""
    utils, torch = types.ModuleType("torch._utils"), types.ModuleType("torch")
    storage_type = type(kind, (), {"__module__": "torch"})
    setattr(torch, kind, storage_type)

    def _rebuild_tensor_v2(*_: object) -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]

    class Pickler(pickle._Pickler):  # type: ignore[misc]
        def persistent_id(self, item: object) -> object:
            if isinstance(item, _Storage):
                key = next(key for key, data in storages.items() if data is item.data)
                return ("storage", storage_type, key, "cpu", item.data.size)
            return None

    class Tensor:
        def __init__(self, data: np.ndarray) -> None:
            self.data = data

        def __reduce__(self) -> object:
            steps = tuple(s // self.data.itemsize for s in self.data.strides)
            return (_rebuild_tensor_v2, (_Storage(self.data), 0, self.data.shape, steps, False, None))

    saved = {key: Tensor(v) if isinstance(v, np.ndarray) else v for key, v in value.items()}  # type: ignore[attr-defined]
    modules = {"torch": torch, "torch._utils": utils}
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        with zipfile.ZipFile(path, "w") as archive:
            with archive.open("dump/data.pkl", "w") as file:
                Pickler(file, 2).dump(saved)
            for key, data in storages.items():
                archive.writestr(f"dump/data/{key}", np.ascontiguousarray(data).tobytes())
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    return path


def test_torch_dump_is_read_without_torch(tmp_path: Path) -> None:
    counts = counts_example()
    path = torch_file(tmp_path / "dump.pt", {"rank": 0, "logical_count": counts}, {"0": counts})
    np.save(tmp_path / "same.npy", counts)
    found, expected = read_trace(path, top_k=K), read_trace(tmp_path / "same.npy", top_k=K)
    np.testing.assert_array_equal(found.experts, expected.experts)


def test_torch_dump_cannot_run_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> object:
            return (Path.touch, (tmp_path / "ran",))

    path = torch_file(tmp_path / "dump.pt", {"logical_count": Evil()}, {})
    with pytest.raises(InputError, match="not plain data"):
        read_trace(path, top_k=K)
    assert not (tmp_path / "ran").exists()


def test_torch_dump_of_floats_or_transposed_is_refused(tmp_path: Path) -> None:
    counts = counts_example()
    path = torch_file(tmp_path / "float.pt", {"logical_count": counts}, {"0": counts}, kind="FloatStorage")
    with pytest.raises(InputError, match="FloatStorage"):
        read_trace(path, top_k=K)
    turned = counts.T
    path = torch_file(tmp_path / "turned.pt", {"logical_count": turned}, {"0": turned})
    with pytest.raises(InputError, match="contiguous"):
        read_trace(path, top_k=K)


@pytest.mark.skipif(not DATA.exists(), reason="the real traces are not beside the checkout")
def test_real_traces_are_read() -> None:
    deepseek = read_trace(DATA / "deepseek_v2_lite_top6.npz")
    assert (deepseek.documents, deepseek.layers, deepseek.top_k, deepseek.num_experts) == (213, 26, 6, 64)
    assert deepseek.prompt_tokens is None
    gpt_oss = read_trace(DATA / "gpt_oss_20b_decode_top4.npz")
    assert (gpt_oss.documents, gpt_oss.layers, gpt_oss.top_k, gpt_oss.num_experts) == (395, 24, 4, 32)
    assert gpt_oss.weights is None
    assert gpt_oss.prompt_tokens is not None


def json_lines_of(trace: TokenTrace) -> bytes:
    rows = [
        {"token": t, "layer": layer, "experts": trace.experts[t, layer].tolist()}
        for t in range(len(trace.experts))
        for layer in range(trace.layers)
    ]
    return "\n".join(map(json.dumps, rows)).encode()


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, lambda text: b"\xef\xbb\xbf" + text])
def test_packed_lines_are_known_by_content(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    trace = example((9,))
    (tmp_path / "any.name").write_bytes(pack(json_lines_of(trace)))
    np.testing.assert_array_equal(read_trace(tmp_path / "any.name").experts, trace.experts)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_packed_lines_cut_off_are_refused(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    whole = pack(json_lines_of(example((90,))))
    for content in (whole[:-40], whole[:60] + b"\xff" * 30 + whole[90:]):
        (tmp_path / "cut").write_bytes(content)
        with pytest.raises(InputError, match="cut: file: found "):
            read_trace(tmp_path / "cut")


def test_zstd_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    with pytest.raises(InputError, match="packed by zstd"):
        read_trace(tmp_path / "t")


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('{"layer": 0, "token": 0, "experts": [1], "token_text": "a"}')
    with pytest.raises(InputError, match="line 1 token_text: found an unknown key; allowed: only layer, token"):
        read_trace(tmp_path / "t")


def test_a_lone_array_is_ids_or_counts_by_the_models_k(tmp_path: Path) -> None:
    trace = example((9,))
    np.save(tmp_path / "ids.npy", trace.experts)
    for name, top_k in (("auto", K), ("routed-experts", None)):
        found = read_trace(tmp_path / "ids.npy", name, top_k)
        np.testing.assert_array_equal(found.experts, trace.experts)
        assert found.weights is None
    with pytest.raises(InputError, match=r"routing.format: .* expert-counts or routed-experts"):
        read_trace(tmp_path / "ids.npy")
    np.save(tmp_path / "step.npy", counts_example()[0])
    assert len(read_trace(tmp_path / "step.npy", top_k=K).experts) == 6


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
