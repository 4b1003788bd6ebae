"""What a program says of the pieces that its accesses consist of."""

from __future__ import annotations

import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.prepare import Prepared, prepare
from moe_cosim.workloads.programs.program import CONTENTS, COPY, PURPOSES, READ, STREAM, WRITE

SHORT = {"workload.batch": 4, "workload.prompt_tokens": 8, "workload.output_tokens": 3}


def blocks(prepared: Prepared, purpose: str, kind: int, what: str, op: int) -> set[int]:
    """Lengths of pieces of all such accesses of events of that purpose."""
    program = prepared.program
    tags = program.tags[program.events["tag"]]
    found: set[int] = set()
    for event, tag in zip(program.events, tags, strict=True):
        if tag["purpose"] == PURPOSES.index(purpose) and event["kind"] == kind:
            first = int(event["first_access"])
            rows = program.accesses[first : first + int(event["accesses"])]
            rows = rows[(rows["what"] == CONTENTS.index(what)) & (rows["op"] == op) & (rows["bytes"] > 0)]
            found |= set(rows["block_bytes"].tolist())
    return found


@pytest.fixture(scope="module")
def striped() -> Prepared:
    """TriMoE: striped and localized experts, keys and values in the modules, which attend."""
    return prepare(load_experiment("trimoe-deepseek-v2", {**SHORT, "assumptions.kv-attention": "near-data"}))


def test_a_token_picks_a_row_of_the_embedding(striped: Prepared) -> None:
    model, formats = striped.scenario.model, striped.scenario.quantization.parts
    row = formats.embedding.bytes_of(model.hidden)
    assert blocks(striped, "embedding", STREAM, "weights", READ) == {row}
    assert blocks(striped, "embedding", STREAM, "activations", WRITE) == {0}


def test_rows_that_travel_are_picked_at_the_gpu_and_lie_together_at_the_other_end(striped: Prepared) -> None:
    row = ACTIVATION_BYTES * striped.scenario.model.hidden
    assert blocks(striped, "dispatch", COPY, "activations", READ) == {row, 0}  # outward, and back
    assert blocks(striped, "dispatch", COPY, "activations", WRITE) == {0, row}


def test_weights_are_one_run_in_each_memory(striped: Prepared) -> None:
    for purpose in ("expert", "gate", "head"):
        assert blocks(striped, purpose, STREAM, "weights", READ) == {0}


def test_keys_and_values_near_the_data_are_pages(striped: Prepared) -> None:
    layout = striped.scenario.layout
    page = 16 * int(layout.kv_bytes_per_token[0])
    assert layout.kv_page_bytes == page
    assert blocks(striped, "attention", STREAM, "kv", READ) == {page}
    assert blocks(striped, "attention", STREAM, "kv", WRITE) == {page}


def test_in_the_memory_of_the_gpu_they_are_one_run() -> None:
    prepared = prepare(load_experiment("hobbit-mixtral-8x7b", SHORT))
    assert blocks(prepared, "attention", STREAM, "kv", READ) == {0}
    assert prepared.scenario.layout.kv_page_bytes == 0
