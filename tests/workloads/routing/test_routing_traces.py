"""Reading routing traces, drawing runs from them, and refusing bad files."""

from __future__ import annotations

import json
import pickle
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.workloads.routing import Routing, RoutingShape, TokenTrace, read_trace, routing_source
from moe_cosim.workloads.routing.statistics import expert_counts

LAYERS, EXPERTS, K = 3, 8, 2
DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "routing"


def example(lengths: tuple[int, ...] = (30, 12, 40), seed: int = 0, **extra: object) -> TokenTrace:
    rng = np.random.default_rng(seed)
    tokens = sum(lengths)
    experts = np.argsort(rng.random((tokens, LAYERS, EXPERTS)), axis=2)[:, :, :K].astype(np.uint16)
    weights = rng.random(experts.shape).astype(np.float32)
    weights /= weights.sum(axis=2, keepdims=True)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values: dict = {"weights": weights, "domains": tuple("law" if n > 20 else "maths" for n in lengths)} | extra
    return TokenTrace(experts=experts, offsets=offsets, num_experts=EXPERTS, **values)


def arrays_of(trace: TokenTrace) -> dict[str, np.ndarray]:
    assert trace.weights is not None
    return {"experts": trace.experts, "weights": trace.weights, "offsets": trace.offsets}


def write(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def run(path: Path, shape: RoutingShape, seed: int = 0, settings: dict | None = None) -> tuple[Routing, list[str]]:
    assumptions = Assumptions(settings)
    source = routing_source({"source": "trace", "file": path.name}, "experiment.yaml", path.parent)
    return source.draw(shape, seed, assumptions), [a.name for a in assumptions.used()]


def shape(sequences: int = 2, prompt: int = 10, output: int = 5) -> RoutingShape:
    return RoutingShape(LAYERS, EXPERTS, K, sequences, prompt, output)


# --- formats -----------------------------------------------------------------------------------------


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


# --- drawing runs ------------------------------------------------------------------------------------


def starts(routing: Routing, trace: TokenTrace) -> list[int]:
    """Which document each sequence begins with."""
    return [
        next(d for d in range(trace.documents) if np.array_equal(trace.experts[trace.offsets[d]], one[0]))
        for one in routing.prefill_experts
    ]


def test_a_sequence_is_a_document_prompt_first_then_decode(tmp_path: Path) -> None:
    trace = example()
    trace.save(tmp_path / "t.npz")
    routing, used = run(tmp_path / "t.npz", shape())
    assert used == []
    documents = starts(routing, trace)
    assert sorted(documents) == [0, 2]  # the two long enough, once each
    for s, d in enumerate(documents):
        at = trace.offsets[d]
        np.testing.assert_array_equal(routing.prefill_experts[s], trace.experts[at : at + 10])
        np.testing.assert_array_equal(routing.decode_experts[:, s], trace.experts[at + 10 : at + 15])
        np.testing.assert_array_equal(routing.decode_weights[:, s], trace.weights[at + 10 : at + 15])


def test_short_documents_go_on_with_their_domain_or_from_their_start(tmp_path: Path) -> None:
    trace = example((12, 10, 30), domains=("maths", "maths", "law"))
    trace.save(tmp_path / "t.npz")
    routing, used = run(tmp_path / "t.npz", shape(sequences=3))
    assert used == ["routing-short-documents"]
    place = starts(routing, trace).index(0)
    whole = np.concatenate([routing.prefill_experts[place], routing.decode_experts[:, place]])
    np.testing.assert_array_equal(whole, np.concatenate([trace.experts[:12], trace.experts[12:15]]))
    routing, _ = run(tmp_path / "t.npz", shape(sequences=3), settings={"routing-short-documents": "wrap"})
    place = starts(routing, trace).index(0)
    whole = np.concatenate([routing.prefill_experts[place], routing.decode_experts[:, place]])
    np.testing.assert_array_equal(whole, np.concatenate([trace.experts[:12], trace.experts[:3]]))


def test_documents_are_used_again_only_when_all_are_used(tmp_path: Path) -> None:
    trace = example()
    trace.save(tmp_path / "t.npz")
    routing, _ = run(tmp_path / "t.npz", shape(sequences=7))
    documents = starts(routing, trace)
    assert sorted(np.bincount(documents, minlength=3).tolist()) == [2, 2, 3]
    assert "3 of 3 documents for 7 sequences" in routing.source


def test_seed_chooses_the_documents(tmp_path: Path) -> None:
    trace = example((20,) * 30)
    trace.save(tmp_path / "t.npz")
    first = starts(run(tmp_path / "t.npz", shape(), seed=1)[0], trace)
    assert first == starts(run(tmp_path / "t.npz", shape(), seed=1)[0], trace)
    assert any(first != starts(run(tmp_path / "t.npz", shape(), seed=seed)[0], trace) for seed in (2, 3))


def test_generated_tokens_as_prompt_is_a_named_assumption(tmp_path: Path) -> None:
    example(prompt_tokens=np.array([1, 2, 3]), weights=None).save(tmp_path / "t.npz")
    routing, used = run(tmp_path / "t.npz", shape())
    assert used == ["routing-generated-as-prompt"]
    assert (routing.prefill_weights == 0.5).all()


# --- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": 4}, "layers: found 3; allowed: 4"),
        ({"experts": 16}, "experts: found 8; allowed: 16"),
        ({"experts": 7}, "experts: found 8; allowed: 7"),
        ({"top_k": 3}, "experts per token: found 2; allowed: 3"),
    ],
)
def test_trace_of_another_model_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    example().save(tmp_path / "t.npz")
    values = {"layers": LAYERS, "experts": EXPERTS, "top_k": K} | change
    with pytest.raises(InputError, match=message):
        run(tmp_path / "t.npz", RoutingShape(**values, sequences=1, prompt_tokens=2, output_tokens=2))


def bad(**changes: object) -> dict[str, np.ndarray]:
    values = arrays_of(example()) | {"format": np.array("moe-cosim routing trace"), "version": np.array(1)} | changes
    return {key: value for key, value in values.items() if value is not None}  # type: ignore[misc]


TWICE = np.zeros((82, LAYERS, K), np.uint16)
NAN = np.full((82, LAYERS, K), np.nan, np.float32)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (bad(experts=None), "experts: found no such array"),
        (bad(offsets=None), "offsets: found no such array"),
        (bad(version=np.array(2)), "version: found 2; allowed: 1"),
        (bad(format=np.array("another")), "format: found 'another'"),
        (bad(experts=np.zeros((0, LAYERS, K), np.uint16)), "at least one token"),
        (bad(experts=TWICE), "twice in one token"),
        (bad(experts=TWICE.astype(np.float32)), "experts.*integers"),
        (bad(experts=TWICE.astype(np.int64) - 1), "ids from 0 to 65535"),
        (bad(experts=TWICE[:, 0]), "experts.*3-d"),
        (bad(weights=NAN), "weights.*NaN"),
        (bad(weights=-np.ones_like(NAN)), "weights.*0 or more"),
        (bad(weights=np.ones((5, LAYERS, K), np.float32)), "weights.*shape"),
        (bad(weights=TWICE), "weights.*numbers"),
        (bad(offsets=np.array([0, 30, 30, 82])), "offsets"),
        (bad(offsets=np.array([0, 83])), "offsets"),
        (bad(offsets=np.array([5, 82])), "offsets"),
        (bad(offsets=np.array([0.0, 82.0])), "offsets"),
        (bad(num_experts=np.array(5)), "ids from 0 to 4"),
        (bad(prompt_tokens=np.array([1])), "prompt_tokens"),
        (bad(prompt_tokens=np.array([1, 2, -3])), "prompt_tokens"),
        (bad(domains=np.array(["a"])), "domains"),
        (bad(domains=np.array(["a", "b", "c"], dtype=object)), "pickled"),
        ({"something": np.zeros(3)}, "arrays: found something"),
    ],
)
def test_bad_archives_are_refused(tmp_path: Path, arrays: dict, message: str) -> None:
    path = write(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError, match=message) as caught:
        read_trace(path)
    assert "bad.npz" in str(caught.value)


GOOD_LINE = '{"layer": 0, "token": 0, "experts": [1, 2]}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1.*not JSON"),
        (f"{GOOD_LINE}\n[1]", "line 2"),
        ('{"layer": 0, "token": 0, "experts": [1, 2], "extra": 1}', "line 1"),
        ('{"layer": -1, "token": 0, "experts": [1, 2]}', "whole numbers"),
        ('{"token": 0, "experts": [1, 2]}', "whole numbers"),
        ('{"layer": 0, "token": 0, "experts": []}', "experts"),
        ('{"layer": 0, "token": 0, "experts": [1, 70000]}', "experts"),
        ('{"layer": 0, "token": 0, "experts": [1, 1]}', "twice in one token"),
        ('{"layer": 0, "token": 0, "experts": [1, 2], "weights": [1, NaN]}', "weights"),
        ('{"layer": 0, "token": 0, "experts": [1, 2], "weights": [1]}', "weights"),
        (f"{GOOD_LINE}\n{GOOD_LINE}", "line 2.*twice"),
        (f'{GOOD_LINE}\n{{"layer": 0, "token": 1, "experts": [1]}}', "2 experts"),
        (f'{GOOD_LINE}\n{{"layer": 0, "token": 1, "experts": [1, 2], "weights": [1, 2]}}', "all lines or on none"),
        (f'{GOOD_LINE}\n{{"layer": 1, "token": 1, "experts": [1, 2]}}', "token 0 layer 1"),
    ],
)
def test_bad_json_lines_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_trace(path)


def test_broken_files_are_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.npz", **arrays_of(example())).read_bytes()
    for name, content in {
        "truncated": whole[: len(whole) // 2],
        "damaged": whole[:200] + b"\xff" * 200 + whole[400:],
        "empty": b"",
        "other": b"not a trace",
        "pickle": pickle.dumps({"experts": [1]}),
        "short npy": b"\x93NUMPY\x01\x00",
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError, match=name):
            read_trace(path)
    with pytest.raises(InputError, match="FileNotFoundError"):
        read_trace(tmp_path / "absent.npz")
    with pytest.raises(InputError, match=r"routing\.format"):
        read_trace(tmp_path / "whole.npz", "csv")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"source": "trace"}, "routing.file"),
        ({"source": "trace", "file": 3}, "routing.file"),
        ({"source": "trace", "file": "a.npz", "format": "csv"}, "routing.format"),
        ({"source": "trace", "file": "a.npz", "seed": 3}, "routing.seed"),
    ],
)
def test_bad_options_name_the_field(options: dict, field: str) -> None:
    with pytest.raises(InputError, match=f"experiment.yaml: {field}"):
        routing_source(options, "experiment.yaml")
