"""What drafting costs: bytes and times of a draft model by hand, on units of several kinds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.run import run
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.programs.program import CONTENTS, PURPOSES, READ, STREAM, WRITE, Program
from moe_cosim.workloads.verify.draft_model import draft_names, find_draft
from tests.sim.tiny import Tiny

DRAFT: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 128,
    "intermediate_size": 320,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "tie_word_embeddings": False,
}
LAYERS = 3
ATTENTION_BYTES = 2 * (128 * (4 + 2 + 2) * 32 + 4 * 32 * 128)
FEED_FORWARD_BYTES = 2 * 3 * 128 * 320
HEAD_BYTES = 2 * 128 * 1000
KV_BYTES = 2 * 2 * 2 * 32
"""Of a token in a layer: keys and values of two heads of 32."""
PROMPT, BATCH, DRAFTED = 4, 2, 2
STEPS = 4
"""Of 8 tokens a sequence: the first drafted token is always accepted, the second never."""
UNITS = ("ndp.core", "gpu.sm")


def drafting(
    tiny: Tiny, unit: str = "ndp.core", model: str = "draft.json", software: str = "ideal", **changed: Any
) -> Experiment:
    """Both sequences accept one of two drafted tokens in each step."""
    (tiny.folder / "draft.json").write_text(json.dumps(DRAFT | changed), encoding="utf-8")
    draft = f"draft: {{model: {model}, unit: {unit}}}" if unit else ""
    return load_experiment(
        tiny.write(
            ("batch: 1", f"batch: {BATCH}"),
            ("output_tokens: 3}", f"output_tokens: 9, verify: {{draft_tokens: 2, acceptance: [1, 0], {draft}}}}}"),
        ),
        {"software": software},
    )


def drafts(program: Program, step: int) -> NDArray[np.int64]:
    """Rows of the kernels."""
    tags = program.tags[program.events["tag"]]
    is_draft = (tags["purpose"] == PURPOSES.index("draft")) & (tags["step"] == step)
    return np.flatnonzero(is_draft & (program.events["kind"] == STREAM))


def moved(program: Program, rows: NDArray[np.int64], what: str, op: int) -> list[int]:
    """Bytes of each."""
    found = []
    for event in program.events[rows]:
        part = program.accesses[event["first_access"] : event["first_access"] + event["accesses"]]
        found.append(int(part["bytes"][(part["what"] == CONTENTS.index(what)) & (part["op"] == op)].sum()))
    return found


@pytest.mark.parametrize("unit", UNITS)
def test_bytes_of_every_pass(tiny: Tiny, unit: str) -> None:
    prepared = prepare(drafting(tiny, unit))
    program, machine = prepared.program, prepared.machine
    assert prepared.scenario.decode.count == STEPS
    a_pass = [ATTENTION_BYTES, FEED_FORWARD_BYTES] * LAYERS
    for step in range(1, STEPS + 1):
        rows = drafts(program, step)
        assert {program.lanes[lane] for lane in program.events["lane"][rows]} == {(unit, "main")}
        prompt = a_pass if step == 1 else []
        assert moved(program, rows, "weights", READ) == prompt + [*a_pass, HEAD_BYTES] * DRAFTED
        cached = [PROMPT + 2 * (step - 1) + number for number in range(DRAFTED)]
        read = [part for tokens in cached for part in [BATCH * tokens * KV_BYTES, 0] * LAYERS + [0]]
        written = ([BATCH * KV_BYTES, 0] * LAYERS + [0]) * DRAFTED
        first = [BATCH * PROMPT * KV_BYTES, 0] * LAYERS if step == 1 else []
        assert moved(program, rows, "kv", READ) == [0] * len(first) + read
        assert moved(program, rows, "kv", WRITE) == first + written
    # all of it beside the unit, apart from everything else
    memory = machine.units[unit].local_memory
    regions = {region.name: region for region in prepared.scenario.addresses.regions if "draft" in region.name}
    assert {region.memory for region in regions.values()} == {memory}
    weights, kv = regions["draft model's weights"], regions["draft model's keys and values"]
    assert weights.size_bytes >= LAYERS * (ATTENTION_BYTES + FEED_FORWARD_BYTES) + 2 * HEAD_BYTES
    assert kv.size_bytes >= LAYERS * BATCH * KV_BYTES * (PROMPT + 9 + DRAFTED)
    ours = [event for step in range(1, STEPS + 1) for event in program.events[drafts(program, step)]]
    at = np.concatenate([np.arange(each["first_access"], each["first_access"] + each["accesses"]) for each in ours])
    for region, what in ((weights, "weights"), (kv, "kv")):
        inside = program.accesses["address"] - region.address < region.size_bytes
        assert set(np.flatnonzero(inside & (program.accesses["bytes"] > 0))) <= set(at.tolist())
        own = program.accesses[at][program.accesses[at]["what"] == CONTENTS.index(what)]
        assert (own["address"] >= region.address).all()
        assert (own["address"] + own["bytes"] <= region.address + region.size_bytes).all()


@pytest.mark.parametrize("unit", UNITS)
def test_a_step_begins_when_its_draft_is_there(tiny: Tiny, unit: str) -> None:
    result = run(drafting(tiny, unit))
    timeline, machine = result.timeline, prepare(drafting(tiny, unit)).machine
    program = timeline.program
    core = machine.units[unit]
    assert core.model is not None
    tags = program.tags[program.events["tag"]]
    for step in range(2, STEPS + 1):
        rows = drafts(program, step)
        starts, ends = timeline.start_ps[rows], timeline.end_ps[rows]
        assert (starts[1:] == ends[:-1]).all()  # one kernel after the other
        head_before = (tags["purpose"] == PURPOSES.index("head")) & (tags["step"] == step - 1)
        assert starts[0] >= timeline.end_ps[head_before].max()
        embedding = (tags["purpose"] == PURPOSES.index("embedding")) & (tags["step"] == step)
        assert timeline.start_ps[embedding].min() >= ends[-1]
        # the feed-forward block of a layer by hand: two products of two rows, or its bytes at the memory's rate
        products = core.model.dense_ps(BATCH, [128, 320], [640, 128]).sum()
        took = ends[1] - starts[1]
        fastest = FEED_FORWARD_BYTES / machine.memories[core.local_memory].array_bytes_per_s * 1e12
        assert took >= core.model.launch_ps + max(products, fastest)
        assert took <= core.model.launch_ps + max(products, 2 * fastest) + 1_000_000
    free = run(drafting(tiny, ""))
    rows_by_step = [drafts(program, step) for step in range(1, STEPS + 1)]
    drafted = sum(int(timeline.end_ps[rows].max() - timeline.start_ps[rows].min()) for rows in rows_by_step)
    assert result.decode_s - free.decode_s >= 0.99 * drafted / 1e12
    assert result.time_to_first_token_s == pytest.approx(free.time_to_first_token_s, rel=1e-3)
    assert "verify-draft" in [row.name for row in free.assumptions]
    assert "verify-draft" not in [row.name for row in result.assumptions]


def test_software_launches_the_layers_of_a_draft_on_the_gpu(tiny: Tiny) -> None:
    """225 us a layer and pass, one pass more for the prompt; near the data nothing is launched by it."""
    took = {}
    for unit in UNITS:
        eager, ideal = (run(drafting(tiny, unit, software=software)) for software in ("eager", "ideal"))
        took[unit] = eager.decode_s - ideal.decode_s
    assert took["gpu.sm"] - took["ndp.core"] == pytest.approx((STEPS * DRAFTED + 1) * LAYERS * 225e-6, rel=0.01)


def test_drafts_that_ship_have_the_sizes_of_their_names() -> None:
    sizes = {name: find_draft(name, "here").weight_bytes / 2e9 for name in draft_names()}
    published = {"mistral-7b": 7.24, "mixtral-8x7b-two-experts": 12.88, "qwen3-0.6b": 0.60, "qwen3-1.7b": 1.72}
    assert sizes == pytest.approx(published, abs=0.005)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unit": ({"unit": "ndp.cores"}, "workload.verify.draft.unit: found 'ndp.cores'; allowed: one of gpu.sm, ndp.core"),
    "copies": ({"unit": "gpu.dma"}, "workload.verify.draft.unit: found 'gpu.dma'"),
    "name": (
        {"model": "qwen3-0.6"},
        "found 'qwen3-0.6'; allowed: one of mistral-7b, mixtral-8x7b-two-experts, qwen3-0.6b, qwen3-1.7b (did",
    ),
    "no file": ({"model": "absent.json"}, "absent.json: file: found nothing there"),
    "experts": ({"model_type": "mixtral"}, "draft.json: model_type: found 'mixtral'; allowed: 'llama', 'mistral'"),
    "heads": ({"num_key_value_heads": 3}, "draft.json: kv_heads: found 3"),
    "too large": ({"hidden_size": 2**17, "num_attention_heads": 1024}, "draft model's weights in ndp.dram: found"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_drafts_that_cannot_be_are_one_line(tiny: Tiny, wrong: str) -> None:
    changed, said = WRONG[wrong]
    with pytest.raises(InputError) as refused:
        prepare(drafting(tiny, **{"vocab_size": 10**6 if wrong == "too large" else 1000, **changed}))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_none_drafted_is_plain_decoding_whoever_would_draft(tiny: Tiny) -> None:
    named = drafting(tiny).with_settings({"workload.verify.draft_tokens": 0, "workload.verify.acceptance": 0.5})
    plain = named.with_settings({"workload.verify": None})
    assert hash(named.workload) != hash(plain.workload)
    assert prepare(named).program.events.tobytes() == prepare(plain).program.events.tobytes()
    with pytest.raises(InputError, match=r"workload\.verify\.draft\.unit: found 'cpu'"):
        prepare(named.with_settings({"workload.verify.draft.unit": "cpu"}))
