"""Every layout is told by its content, holds the trace that was written, and is converted without loss."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.workloads.routing import TokenTrace
from moe_cosim.workloads.routing.readers import format_of, read_recording
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, trace_formats
from moe_cosim.workloads.routing.recorded.saved import save_recording
from moe_cosim.workloads.routing.recorded.trace import Trace
from tests.workloads.routing.readers.layouts import OTHERWISE, TOKENS, Write, arrays, lone
from tests.workloads.routing.traces import example

CASES = Path(__file__).resolve().parents[5] / "shared" / "data" / "cases" / "traces"
ALL = {name: (name, write) for name, write in TOKENS.items()} | OTHERWISE
UNNAMED = [OTHERWISE[name][1] for name in ("lone ids", "saved ids")]
ARROW = pytest.mark.skipif(find_spec("pyarrow") is None, reason="without pyarrow, of the extra traces")


def each(names: dict[str, tuple[str, Write]]) -> list[object]:
    return [pytest.param(*names[name], id=name, marks=ARROW if "parquet" in names[name][0] else ()) for name in names]


@st.composite
def traces(draw: st.DrawFn) -> TokenTrace:
    tokens, layers, experts = draw(st.integers(1, 12)), draw(st.integers(1, 70)), draw(st.integers(2, 12))
    k = draw(st.integers(1, experts - 1))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    chosen = np.argsort(rng.random((tokens, layers, experts)), axis=2)[:, :, :k].astype(np.uint16)
    chosen[0, 0, 0] = experts - 1  # so that the largest id says how many there are
    chosen[0, 0, 1:] = np.arange(k - 1)
    return TokenTrace(chosen, None, np.array([0, tokens]), experts)


@pytest.mark.parametrize(("name", "write"), each(ALL))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trace=traces())
def test_what_was_written_is_read_and_converted(tmp_path: Path, name: str, write: Write, trace: TokenTrace) -> None:
    path = tmp_path / "any"
    write(path, trace)
    router = ModelRouter(trace.top_k)
    if write not in UNNAMED:  # of few tokens it could be counts as well
        assert format_of(Content(path), router) == name
    found = read_recording(path, name, router)
    assert isinstance(found, Trace)
    assert_same(TokenTrace.of(found), trace, weights=name == "router-logits")
    for ending in (".npz", *([".parquet"] if find_spec("pyarrow") else [])):
        save_recording(found, tmp_path / f"out{ending}")
        again = read_recording(tmp_path / f"out{ending}")
        assert isinstance(again, Trace)
        whole, expected = TokenTrace.of(again), TokenTrace.of(found)
        assert_same(whole, expected, weights=True)
        assert whole.num_experts_known == expected.num_experts_known
        if expected.weights is not None:
            np.testing.assert_array_equal(whole.weights, expected.weights)


def assert_same(found: TokenTrace, expected: TokenTrace, weights: bool) -> None:
    np.testing.assert_array_equal(found.experts, expected.experts)
    assert found.offsets.tolist() == expected.offsets.tolist()
    assert found.num_experts == expected.num_experts
    assert weights or found.weights is None


@pytest.mark.parametrize("ending", [".npz", pytest.param(".parquet", marks=ARROW)])
@pytest.mark.parametrize("extra", [{}, {"weights": None, "domains": None}, {"prompt_tokens": np.array([5, 6, 7])}])
def test_converting_keeps_all_that_is_known(tmp_path: Path, ending: str, extra: dict) -> None:
    trace = example(**extra)
    path = tmp_path / f"out{ending}"
    save_recording(trace, path)
    found = read_recording(path)
    assert isinstance(found, Trace)
    whole = TokenTrace.of(found)
    for name in ("experts", "weights", "offsets", "prompt_tokens"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(trace, name))
    assert (whole.domains, whole.num_experts_known) == (trace.domains, trace.num_experts_known)


@ARROW
def test_layers_of_a_folder(tmp_path: Path) -> None:
    """In the order of their numbers, which is not that of their letters."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    experts = np.argsort(rng.random((20, 12, 8)), axis=2)[:, :, :3]
    weights = rng.random(experts.shape)
    for layer in range(12):
        columns = {"indices": experts[:, layer].tolist(), "scores": weights[:, layer].tolist()}
        pq.write_table(pa.table(columns), tmp_path / f"layer_{layer}.parquet")
    found = read_recording(tmp_path)
    assert isinstance(found, TokenTrace)
    np.testing.assert_array_equal(found.experts, experts)
    np.testing.assert_allclose(found.weights, weights / weights.sum(axis=2, keepdims=True), rtol=1e-5)
    pq.write_table(pa.table({"indices": experts[:5, 0].tolist()}), tmp_path / "layer_7.parquet")
    with pytest.raises(InputError, match=r"layer_7\.parquet: column indices: found 5 tokens of 3"):
        read_recording(tmp_path)


def test_every_format_is_tried() -> None:
    counted = {"expert-counts", "expert-totals", "imatrix", "tensorrt-llm", "sglang-per-pass"}  # test_counts.py
    assert set(TOKENS) | counted | {"parquet-layer"} == set(trace_formats.names())


# -- what is in a lone array ---------------------------------------------------------------------

STEPS = np.array([[[3, 1, 0, 2], [2, 2, 1, 1]], [[1, 1, 0, 0], [0, 0, 1, 1]]])
"""Counts of three and of one token, k = 2."""
BOTH = np.array([[[3, 1, 0], [1, 3, 0]], [[4, 2, 1], [1, 2, 4]]])
"""Rows of different numbers that sum up alike."""
NEITHER = np.array([[[3, 3, 0], [1, 3, 0]]])


@pytest.mark.parametrize(
    ("array", "top_k", "name"),
    [
        (example((9,)).experts, None, "routed-experts"),
        (example((9,)).experts, 2, "routed-experts"),
        (STEPS, None, "expert-counts"),
        (STEPS, 2, "expert-counts"),
        (STEPS[0], None, "expert-totals"),
        (np.ones((2, 3, 4), np.float32), None, "router-logits"),
        (BOTH, 3, "routed-experts"),
        (BOTH, 1, "expert-counts"),
    ],
)
def test_a_lone_array_is_what_its_content_says(tmp_path: Path, array: np.ndarray, top_k: int | None, name: str) -> None:
    lone(tmp_path / "a", array)
    arrays(tmp_path / "b", arr_0=array)
    for path in (tmp_path / "a", tmp_path / "b"):
        assert format_of(Content(path), None if top_k is None else ModelRouter(top_k)) == name


def test_what_can_be_two_things_is_refused_with_both_names(tmp_path: Path) -> None:
    lone(tmp_path / "a", BOTH)
    said = r"routing\.format: found what may be expert-counts or routed-experts; allowed: --format .*expert-counts or r"
    with pytest.raises(InputError, match=said):
        read_recording(tmp_path / "a")
    assert read_recording(tmp_path / "a", "routed-experts").layers == 2
    lone(tmp_path / "a", NEITHER)
    with pytest.raises(InputError, match="one without a name"):
        read_recording(tmp_path / "a")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "old imatrix": (
        lambda path: path.write_bytes(b"\1\0\0\0\x0c\0\0\0blk.0.ffn_up" + bytes(40)),
        "an imatrix of the old kind, without counts; allowed: one written with --output-format gguf",
    ),
    "gguf of a model": (lambda path: path.write_bytes(b"GGUF\3" + bytes(19)), "tensors: found no tensors"),
    "cut gguf": (lambda path: path.write_bytes(b"GGUF\3\0\0\0" + b"\xff" * 16), "header: found "),
    "cut safetensors": (lambda path: path.write_bytes(b"\xff\0\0\0\0\0\0\0{"), "header: found no JSON"),
    "tensor beyond the end": (
        lambda path: path.write_bytes(
            (64).to_bytes(8, "little") + b'{"0_1":{"dtype":"I64","shape":[9],"data_offsets":[0,72]}}'.ljust(64)
        ),
        "tensor 0_1: found ",
    ),
    "hdf5": (lambda path: path.write_bytes(b"\x89HDF\r\n"), "found HDF5"),
    "json of something": (lambda path: path.write_text('{"logical_count": "many"}'), "arrays: found none"),
    "ragged json": (lambda path: path.write_text('{"logical_count": [[[1], [1, 2]]]}'), "arrays: found none"),
    "json that ends": (lambda path: path.write_text('{\n"logical_count": [[[1]'), "line 2: found no JSON"),
    "records without ids": (lambda path: path.write_text('{"records": [{"rank": 0}]}'), "arrays: found none"),
    "records that differ": (
        lambda path: path.write_text(
            '{"records": [{"topk_ids_of_layer": [[[1]]], "positions": [0]}, {"topk_ids_of_layer": 1}]}'
        ),
        "record 1 topk_ids_of_layer: found int64 of shape ()",
    ),
}


@pytest.mark.parametrize(("spoil", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_names_the_culprit(tmp_path: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(tmp_path / "t")
    with pytest.raises(InputError) as refused:
        read_recording(tmp_path / "t", router=ModelRouter(1))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ALL)
def test_damaged_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    """Never another error."""
    if "parquet" in ALL[name][0]:
        pytest.importorskip("pyarrow")
    path = tmp_path / "t"
    ALL[name][1](path, example((9,), weights=None, domains=None))
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.3 else whole)
        for at in rng.integers(0, len(damaged), rng.integers(0, 4)):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            found = read_recording(path, router=ModelRouter(2))
            if isinstance(found, Trace):
                found.take(np.arange(min(found.tokens, 5)))
        except InputError as refused:
            assert str(path) in str(refused)  # noqa: PT017 - it need not be refused


# -- recordings of others -------------------------------------------------------------------------

HELD = {
    "ours.jsonl": "json-lines", "ours.jsonl.gz": "json-lines", "ours.jsonl.xz": "json-lines",
    "ours_bom.jsonl": "json-lines", "moe_balance.jsonl": "batch-lines", "llamacpp_moe_trace.csv": "layer-csv",
    "vllm_routed_experts.npy": "routed-experts", "hf_router_logits_ok.npz": "router-logits",
    "sglang_per_token.pt": "sglang-per-token", "sglang_stat.pt": "expert-counts",
    "sglang_logical_count.json": "expert-counts", "eplb_counts_2d.npy": "expert-totals",
    "flame_layer_02.parquet": "parquet-layer", "one_doc.npz": "token-arrays",
}  # fmt: skip


@pytest.mark.skipif(not CASES.exists(), reason="the recordings are not beside the checkout")
def test_recordings_of_others_are_told_and_agree() -> None:
    """Most hold the same 112 tokens."""
    router = ModelRouter(8)
    found = {name: format_of(Content(CASES / name), router) for name in HELD if "parquet" not in name}
    assert found == {name: kind for name, kind in HELD.items() if "parquet" not in name}
    expected = np.load(CASES / "vllm_routed_experts.npy")
    for name in ("ours.jsonl", "ours.jsonl.gz", "ours.jsonl.xz", "ours_bom.jsonl", "moe_balance.jsonl",
                 "llamacpp_moe_trace.csv"):  # fmt: skip
        trace = read_recording(CASES / name, router=router)
        assert isinstance(trace, Trace)
        np.testing.assert_array_equal(TokenTrace.of(trace).experts, expected, err_msg=name)
