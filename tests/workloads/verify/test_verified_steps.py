"""Steps that verify several tokens: by hand on two layers, against closed forms, and beside plain decoding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment, VerifyChoice, Workload, load_experiment
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.run import run
from moe_cosim.workloads.prepare import Prepared, prepare
from moe_cosim.workloads.programs.program import CONTENTS, PURPOSES, READ, WRITE, Program
from moe_cosim.workloads.routing import TokenTrace
from moe_cosim.workloads.verify.acceptance import drawn, expected_tokens
from moe_cosim.workloads.verify.decode_steps import DecodeSteps
from tests.sim.tiny import Tiny

PROMPT = 4
CHOSEN = ((0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3), (0, 1), (2, 1), (3, 1), (0, 3))
"""Experts of the decoded tokens, the same in layer 0; layer 1 has the next number of each."""
ACCEPTED = (1, 0, 2)
"""Of two drafted tokens: 2 + 1 + 3 tokens, the 6 that are asked for."""
STARTS = (0, 2, 3)
"""The token that each of these steps verifies first."""
LAYERS, K, EXPERTS = 2, 2, 4
KV_BYTES = 2 * 2 * 64 * 2
"""A token's keys and values in a layer of `tests.sim.tiny.MODEL`: two heads of 64, 16 bits."""


@pytest.fixture
def verified(tiny: Tiny) -> Experiment:
    """Six tokens after the first, two drafted in each step, routed and accepted as above."""
    experts = np.zeros((PROMPT + len(CHOSEN), LAYERS, K), np.uint16)
    experts[:PROMPT] = (0, 1)
    experts[PROMPT:, 0] = CHOSEN
    experts[PROMPT:, 1] = (np.array(CHOSEN) + 1) % EXPERTS
    TokenTrace(experts, None, np.array([0, len(experts)]), num_experts=EXPERTS).save(tiny.folder / "trace.npz")
    (tiny.folder / "accepted.txt").write_text("# of two\n" + "\n".join(map(str, ACCEPTED)) + "\n", encoding="utf-8")
    path = tiny.write(
        ("{source: generator, preset: mixtral-8x7b}", "{source: trace, file: trace.npz}"),
        ("output_tokens: 3}", "output_tokens: 7, verify: {draft_tokens: 2, acceptance: accepted.txt}}"),
    )
    return load_experiment(path)


def bytes_of(program: Program, purpose: str, step: int, what: str, op: int) -> list[int]:
    """Of each event of the purpose in a step."""
    tags = program.tags[program.events["tag"]]
    found = []
    for row in np.flatnonzero((tags["purpose"] == PURPOSES.index(purpose)) & (tags["step"] == step)):
        event = program.events[row]
        part = program.accesses[event["first_access"] : event["first_access"] + event["accesses"]]
        found.append(int(part["bytes"][(part["what"] == CONTENTS.index(what)) & (part["op"] == op)].sum()))
    return found


def test_a_two_layer_model_by_hand(verified: Experiment) -> None:
    prepared = prepare(verified)
    demand, decode = prepared.scenario.demand, prepared.scenario.decode
    assert decode.count == demand.steps - 1 == 3
    assert decode.first_tokens[:, 0].tolist() == list(STARTS)
    unions = [{expert for token in CHOSEN[start : start + 3] for expert in token} for start in STARTS]
    assert [len(union) for union in unions] == [4, 3, 4]
    assert demand.experts_asked()[1:].tolist() == [[len(union)] * 2 for union in unions]
    for step, start in enumerate(STARTS, 1):
        first = next(demand.step(step))
        asked = [expert for token in CHOSEN[start : start + 3] for expert in token]
        assert dict(zip(first.experts, first.tokens, strict=True)) == {e: asked.count(e) for e in sorted(set(asked))}
        before = PROMPT + start
        # the cache is read once for all three, which are written behind what has been accepted
        assert bytes_of(prepared.program, "attention", step, "kv", READ) == [KV_BYTES * before] * LAYERS
        assert bytes_of(prepared.program, "attention", step, "kv", WRITE) == [KV_BYTES * 3] * LAYERS
        assert bytes_of(prepared.program, "head", step, "activations", READ) == [2 * 256 * 3]
        # each expert of the union is read once, at its own width, for all of its tokens
        runs = prepared.plan.runs[prepared.plan.runs["step"] == step]
        assert sorted(runs["expert"][runs["layer"] == 0].tolist()) == sorted(unions[step - 1])
        assert runs["tokens"].sum() == LAYERS * 3 * K
        sizes = [prepared.plan.formats[i].expert_bytes(prepared.scenario.model.expert) for i in runs["format"]]
        assert sorted(bytes_of(prepared.program, "expert", step, "weights", READ)) == sorted(sizes)


def test_rates_count_the_tokens_that_were_asked_for(verified: Experiment) -> None:
    found = run(verified)
    assert found.verify is not None
    assert found.decode_steps == 3
    assert found.decode_tokens_per_s == pytest.approx(6 / found.decode_s)
    assert (found.verify.verified_tokens, found.verify.yielded_tokens, found.verify.accepted_tokens) == (3, 2.0, 1.0)
    assert found.verify.acceptance_rate == 0.5
    assert found.verify.distinct_by_layer == [pytest.approx(11 / 3)] * 2


def test_rejected_tokens_may_be_others(verified: Experiment) -> None:
    further = verified.with_settings({"assumptions.verify-rejected-routing": "further"})
    demand = prepare(further).scenario.demand
    asked = [{e for token in CHOSEN[start : start + 3] for e in token} for start in (0, 3, 6)]
    assert [set(next(demand.step(step)).experts) for step in (1, 2, 3)] == asked


def with_verify(
    tiny: Tiny, output_tokens: int, more: str = "", policy: str = "{name: cxl-ndp, gpu_experts: 1}"
) -> Path:
    return tiny.write(
        ("{name: cxl-ndp, gpu_experts: 1}", policy),
        ("batch: 1", "batch: 2"),
        ("output_tokens: 3", f"output_tokens: {output_tokens}{more}"),
    )


def ran(tiny: Tiny, draft: int | None, acceptance: Any = 0.5, output_tokens: int = 12) -> Result:
    more = "" if draft is None else f", verify: {{draft_tokens: {draft}, acceptance: {acceptance}}}"
    return run(with_verify(tiny, output_tokens, more))


def test_no_drafts_are_plain_decoding_to_the_picosecond(tiny: Tiny) -> None:
    plain, none = ran(tiny, None), ran(tiny, 0)
    for name in ("start_ps", "end_ps", "bound"):
        assert np.array_equal(getattr(plain.timeline, name), getattr(none.timeline, name))
    assert plain.timeline.program.events.tobytes() == none.timeline.program.events.tobytes()
    assert plain.decode_tokens_per_s == none.decode_tokens_per_s


def test_acceptance_of_all_and_of_none(tiny: Tiny) -> None:
    plain, none, every = ran(tiny, None), ran(tiny, 3, 0), ran(tiny, 3, 1)
    assert none.verify is not None
    assert every.verify is not None
    assert (none.decode_steps, none.verify.yielded_tokens) == (11, 1.0)
    assert none.decode_s > plain.decode_s  # one token a step, at the price of four
    assert (every.decode_steps, every.verify.accepted_tokens) == (3, 3.0)  # 11 tokens, four at a time
    assert every.decode_tokens_per_s > plain.decode_tokens_per_s


@pytest.mark.parametrize("chances", [[0.7] * 4, [0.9, 0.5, 0.1], [0.0, 1.0], [1.0, 1.0]], ids=str)
def test_tokens_of_a_step_follow_the_closed_form(chances: list[float]) -> None:
    work = Workload(batch=4, prompt_tokens=1, output_tokens=5001)
    accepted = drawn(work, chances, seed=3)
    assert 1 + accepted.mean() == pytest.approx(expected_tokens(chances), abs=0.05)
    if len(set(chances)) == 1 and chances[0] < 1:
        a, k = chances[0], len(chances)
        assert expected_tokens(chances) == pytest.approx((1 - a ** (k + 1)) / (1 - a))


def test_higher_chances_never_accept_fewer() -> None:
    work = Workload(batch=3, prompt_tokens=1, output_tokens=200)
    few, many = (drawn(work, [chance] * 4, seed=1) for chance in (0.4, 0.6))
    assert (few <= many).all()
    assert (few < many).any()


def test_the_batch_yields_what_is_asked_for_and_no_step_more() -> None:
    chosen = VerifyChoice(draft_tokens=4, acceptance=0.6)
    work = Workload(batch=3, prompt_tokens=5, output_tokens=40, verify=chosen)
    steps = DecodeSteps.enough(work, drawn(work, [0.6] * 4, seed=2))
    assert steps.tokens == 3 * 39
    assert steps.yielded_tokens >= steps.tokens > steps.yielded_tokens - int((steps.accepted[-1] + 1).sum())
    assert steps.cached_tokens[0] == 5
    assert (steps.cached_tokens == 5 + steps.first_tokens.mean(axis=1).astype(int)).all()


@pytest.mark.parametrize("policy", ["on-demand", "lru", "belady", "hobbit", "monde", "cxl-ndp"])
def test_policies_run_the_union_of_a_step(tiny: Tiny, policy: str) -> None:
    more = ", verify: {draft_tokens: 2, acceptance: 0.5}"
    prepared = prepare_at(with_verify(tiny, 6, more, f"{{name: {policy}}}"))
    demand, runs = prepared.scenario.demand, prepared.plan.runs
    skipped = prepared.plan.skips["tokens"].sum()
    assert runs["tokens"].sum() + skipped == demand.rows(0, demand.steps).tokens.sum()
    decoded = demand.rows(1, demand.steps)
    assert decoded.tokens.sum() == (demand.steps - 1) * LAYERS * K * 2 * 3
    prepared.program.validate()


def prepare_at(path: Path) -> Prepared:
    return prepare(load_experiment(path))


WRONG = {
    "above 1": ("{draft_tokens: 2, acceptance: 1.5}", "workload.verify.acceptance", "a number from 0 to 1"),
    "below 0": ("{draft_tokens: 2, acceptance: [0.5, -1]}", "workload.verify.acceptance", "a number from 0 to 1"),
    "positions": ("{draft_tokens: 2, acceptance: [0.5]}", "workload.verify.acceptance", "one for each drafted token"),
    "longer than the context": (
        "{draft_tokens: 11, acceptance: 0.5}",
        "workload.verify.draft_tokens",
        "at most the 10",
    ),
    "too short": ("{draft_tokens: 2, acceptance: short.txt}", "steps", "at least the 10 tokens"),
    "too many": ("{draft_tokens: 1, acceptance: short.txt}", "line 1", "from 0 to the 1 drafted"),
    "no file": ("{draft_tokens: 2, acceptance: absent.txt}", "workload.verify.acceptance", "a text file"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_verified_is_one_line(tiny: Tiny, wrong: str) -> None:
    chosen, field, allowed = WRONG[wrong]
    (tiny.folder / "short.txt").write_text("2, 0\n1,1\n", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        prepare_at(with_verify(tiny, 6, f", verify: {chosen}"))
    assert field in str(refused.value)
    assert allowed in str(refused.value)
    assert "\n" not in str(refused.value)


def test_sequences_that_are_not_in_the_routing_are_said(tiny: Tiny) -> None:
    path = tiny.write(
        ("{source: generator, preset: mixtral-8x7b}", "{source: batch, hot_experts: 0.25, cold_experts: 0.5}"),
        ("output_tokens: 3}", "output_tokens: 5, verify: {draft_tokens: 2, acceptance: 0.5}}"),
    )
    assert "verify-independent-tokens" in [row.name for row in run(path).assumptions]


def test_chances_by_position_are_kept_with_the_experiment(tiny: Tiny) -> None:
    asked = load_experiment(with_verify(tiny, 6, ", verify: {draft_tokens: 2, acceptance: [0.5, 1]}"))
    (tiny.folder / "again.yaml").write_text(asked.to_yaml(), encoding="utf-8")
    again = load_experiment(tiny.folder / "again.yaml")
    assert again.workload == asked.workload
    assert hash(again.workload) == hash(asked.workload)  # sweeps group their points by it
    assert again.with_settings({"seed": 1}).workload == asked.workload


@pytest.mark.parametrize(("model", "found"), [("nllb-moe-54b", "an encoder"), ("jamba-v0.1", "a state of all tokens")])
def test_models_that_cannot_take_a_token_back_are_refused(model: str, found: str) -> None:
    experiment = load_experiment("monde-mixtral-8x7b", {"model": model, "routing": {"source": "popularity"}})
    changed = experiment.with_settings({"workload.verify": {"draft_tokens": 2, "acceptance": 0.5}})
    with pytest.raises(InputError, match=rf"workload\.verify: found .*{found}"):
        prepare(changed)
