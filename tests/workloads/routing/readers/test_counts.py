"""Recorded counts of a batch stay that batch, in every file that holds them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.workloads.demand import Demand
from moe_cosim.workloads.routing import Routing, RoutingShape, routing_source
from moe_cosim.workloads.routing.readers import read_recording
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter
from moe_cosim.workloads.routing.recorded.batch_counts import BatchCounts
from moe_cosim.workloads.routing.recorded.expert_popularity import ExpertPopularity
from moe_cosim.workloads.routing.recorded.saved import save_recording
from moe_cosim.workloads.routing.statistics import expert_counts
from tests.workloads.routing.readers.counts import STEPS, batch_counts, counts_example
from tests.workloads.routing.readers.torch_files import torch_file
from tests.workloads.routing.traces import EXPERTS, LAYERS, K, shape, write


def safetensors(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    names, at, data = {}, 0, b""
    for name, array in tensors.items():
        kind = {"i8": "I64", "f4": "F32"}[array.dtype.str[1:]]
        names[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [at, at + array.nbytes]}
        at, data = at + array.nbytes, data + array.tobytes()
    header = json.dumps(names).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def sglang_passes(counts: np.ndarray) -> dict[str, object]:
    """Physical experts are the logical ones turned around, and the first has a copy that gets half of its tokens."""
    records = []
    for number, step in enumerate(counts.astype(np.int32)):
        physical = np.concatenate([step[:, ::-1], step[:, :1] // 2], axis=1)
        physical[:, EXPERTS - 1] -= physical[:, EXPERTS]
        records.append({"forward_pass_id": number, "rank": 0, "global_physical_count": np.ascontiguousarray(physical)})
    mapped = np.tile(np.append(np.arange(EXPERTS)[::-1], 0), (counts.shape[1], 1))
    return {"records": records, "last_physical_to_logical_map": mapped}


def as_lists(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: as_lists(each) for key, each in value.items()}
    return [as_lists(each) for each in value] if isinstance(value, list) else value


def save_json(path: Path, value: object) -> Path:
    path.write_text(json.dumps(as_lists(value)))
    return path


def save_array(path: Path, array: np.ndarray) -> Path:
    with path.open("wb") as file:
        np.save(file, array)
    return path


WRITTEN = {
    "npz": lambda path, counts: write(path.with_suffix(".npz"), logical_count=counts),
    "npy": save_array,
    "torch": lambda path, counts: torch_file(path, {"rank": 0, "logical_count": counts}),
    "json": lambda path, counts: save_json(path, {"rank": 0, "logical_count": counts}),
    "per_pass torch": lambda path, counts: torch_file(path, sglang_passes(counts)),
    "per_pass json": lambda path, counts: save_json(path, sglang_passes(counts)),
    "tensorrt-llm": lambda path, counts: safetensors(
        path, {f"{i + 98}_{layer}": row for i, step in enumerate(counts) for layer, row in enumerate(step)}
    ),
}


@pytest.mark.parametrize("write_counts", WRITTEN.values(), ids=WRITTEN)
def test_counts_are_read_from_every_layout(tmp_path: Path, write_counts: object) -> None:
    counts = counts_example()
    path = write_counts(tmp_path / "counts", counts)  # type: ignore[operator]
    with pytest.raises(InputError, match="top_k: found nothing; allowed: the model's experts per token"):
        read_recording(path)
    found = read_recording(path, router=ModelRouter(K))
    assert isinstance(found, BatchCounts)
    np.testing.assert_array_equal(found.counts, counts[[0, 2, 3], 1:])
    assert found.tokens.tolist() == [tokens for _, tokens in STEPS]


def test_ranks_of_a_folder_are_added_up(tmp_path: Path) -> None:
    """With the k that the folder says."""
    folder = tmp_path / "statistic"
    folder.mkdir()
    ranks = [batch_counts(0, 4, 3), batch_counts(0, 5, 3), batch_counts(0, 4, 3)]
    for number, counts in enumerate(ranks):
        tensors = {f"{i}_{layer}": row for i, step in enumerate(counts) for layer, row in enumerate(step)}
        safetensors(folder / f"rank{number}.safetensors", tensors)
    (folder / "meta_info.json").write_text(json.dumps({"num_experts": EXPERTS, "num_experts_per_token": K}))
    found = read_recording(folder)
    assert isinstance(found, BatchCounts)
    np.testing.assert_array_equal(found.counts, sum(ranks))
    (folder / "meta_info.json").unlink()
    with pytest.raises(InputError, match="top_k"):
        read_recording(folder)


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
        read_recording(write(tmp_path / "counts.npz", logical_count=counts), router=ModelRouter(K))


def draw(path: Path, wanted: RoutingShape, **options: object) -> tuple[Routing, list[str]]:
    assumptions = Assumptions({})
    source = routing_source({"source": "trace", "file": path.name, **options}, "e.yaml", path.parent)
    return source.draw(wanted, 0, assumptions), [one.name for one in assumptions.used()]


def test_a_run_has_exactly_the_recorded_loads_step_by_step(tmp_path: Path) -> None:
    counts = batch_counts(12, 4, 6)
    routing, used = draw(write(tmp_path / "c.npz", logical_count=counts), shape(sequences=4, prompt=3, output=5))
    assert used == []
    routing.validate()
    np.testing.assert_array_equal(expert_counts(routing.prefill_experts.reshape(12, LAYERS, K), EXPERTS), counts[0])
    for step in range(5):
        np.testing.assert_array_equal(expert_counts(routing.decode_experts[step], EXPERTS), counts[1 + step])
    demand = Demand(routing)
    assert [row.tokens for row in demand.step(3)] == [[n for n in layer if n] for layer in counts[3].tolist()]


def test_the_batch_is_the_recording_s(tmp_path: Path) -> None:
    path = write(tmp_path / "c.npz", logical_count=batch_counts(12, 4, 6))
    said = r"steps: found 0 steps of 2 tokens after the prompt \(recorded: 6 of 4 tokens, 1 of 12 tokens\)"
    with pytest.raises(InputError, match=said):
        draw(path, shape(sequences=2, prompt=6, output=5))
    with pytest.raises(InputError, match=r"found 6 steps of 4 tokens.*; allowed: 7"):
        draw(path, shape(sequences=4, prompt=3, output=7))
    routing, _ = draw(path, shape(sequences=4, prompt=3, output=7), repeat=True)
    np.testing.assert_array_equal(
        expert_counts(routing.decode_experts[6], EXPERTS), expert_counts(routing.decode_experts[0], EXPERTS)
    )


def test_a_prompt_that_was_not_recorded_is_a_named_assumption(tmp_path: Path) -> None:
    path = write(tmp_path / "c.npz", logical_count=batch_counts(0, 4, 6))
    routing, used = draw(path, shape(sequences=4, prompt=10, output=6))
    assert used == ["routing-prompt-of-counts"]
    routing.validate()


def test_who_looks_at_single_tokens_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "c.npz", logical_count=batch_counts(12, 4, 6))
    demand = Demand(draw(path, shape(sequences=4, prompt=3, output=5))[0], "e.yaml")
    with pytest.raises(InputError, match=r"e\.yaml: routing\.file: found counts of a batch"):
        demand.choices()


def gguf(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    """Version 3 with one key of text, all tensors float32."""
    import struct

    text = lambda said: struct.pack("<Q", len(said)) + said.encode()  # noqa: E731
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 1) + text("general.type") + struct.pack("<I", 8)
    header += text("imatrix")
    offset, data = 0, b""
    for name, array in tensors.items():
        header += text(name) + struct.pack("<I", array.ndim) + struct.pack(f"<{array.ndim}Q", *array.shape[::-1])
        header += struct.pack("<IQ", 0, offset)
        piece = array.astype("<f4").tobytes()
        piece += bytes(-len(piece) % 32)
        offset, data = offset + len(piece), data + piece
    path.write_bytes(header + bytes(-len(header) % 32) + data)
    return path


def imatrix(path: Path, counts: np.ndarray) -> Path:
    tensors: dict[str, np.ndarray] = {"blk.0.attn_q.weight.counts": np.ones((1, 1))}
    for layer, row in enumerate(counts, 1):
        tensors[f"blk.{layer}.ffn_gate_exps.weight.in_sum2"] = np.ones((len(row), 32))
        tensors[f"blk.{layer}.ffn_gate_exps.weight.counts"] = row[:, np.newaxis]
    return gguf(path, tensors)


@pytest.mark.parametrize("write_totals", [save_array, imatrix])
def test_totals_are_a_popularity_and_no_trace(tmp_path: Path, write_totals: object) -> None:
    counts = batch_counts(0, 50, 40).sum(axis=0)
    path = write_totals(tmp_path / "totals", counts)  # type: ignore[operator]
    found = read_recording(path)
    assert isinstance(found, ExpertPopularity)
    np.testing.assert_array_equal(found.counts, counts)
    with pytest.raises(InputError, match="source: popularity"):
        draw(path, shape())


def test_counts_are_converted_with_what_they_lack(tmp_path: Path) -> None:
    """k beside the steps; and totals stay totals."""
    steps = read_recording(write(tmp_path / "c.npz", logical_count=counts_example()), router=ModelRouter(K))
    totals = read_recording(save_array(tmp_path / "totals", batch_counts(0, 4, 6).sum(axis=0)))
    for found, kind in ((steps, BatchCounts), (totals, ExpertPopularity)):
        assert isinstance(found, kind)
        save_recording(found, tmp_path / "out.npz")
        again = read_recording(tmp_path / "out.npz")
        assert isinstance(again, kind)
        np.testing.assert_array_equal(again.counts, found.counts)
        with pytest.raises(InputError, match=r"name: found \.parquet for"):
            save_recording(found, tmp_path / "out.parquet")


def test_popularity_draws_tokens_as_often_as_was_counted(tmp_path: Path) -> None:
    counts = np.array([[40, 30, 20, 10, 9, 6, 5, 0], [1, 1, 1, 1, 1, 1, 1, 1], [90, 80, 3, 3, 3, 3, 3, 3]])
    path = save_array(tmp_path / "totals", counts)
    source = routing_source({"source": "popularity", "file": path.name}, "e.yaml", path.parent)
    routing = source.draw(RoutingShape(3, 8, 2, 20, 100, 100), 0, Assumptions({}))
    routing.validate()
    drawn = expert_counts(routing.prefill_experts.reshape(-1, 3, 2), 8) + expert_counts(
        routing.decode_experts.reshape(-1, 3, 2), 8
    )
    assert drawn[0, 7] == 0
    np.testing.assert_allclose(
        drawn / drawn.sum(axis=1, keepdims=True), counts / counts.sum(axis=1)[:, None], atol=0.02
    )
