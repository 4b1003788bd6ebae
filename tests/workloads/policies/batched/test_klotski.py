"""Groups of batches: how many hide the loads, by hand, and how a group attends."""

from __future__ import annotations

from typing import Any

import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.run import run
from moe_cosim.workloads.policies.batched.klotski import GroupTimes, smallest_group
from moe_cosim.workloads.prepare import prepare
from moe_cosim.workloads.programs.program import COPY, PURPOSES, STREAM

SMALL = {
    "machine.use": "rtx4090-xeon-6454s",
    "model": "mixtral-8x7b",
    "kv_cache": "gpu",
    "workload.batch": 12,
    "workload.prompt_tokens": 16,
    "workload.output_tokens": 3,
    "workload.skipped_tokens": 0,
    "routing.hot_experts": 0.25,
    "routing.hot_tokens": 0.32,
    "routing.cold_experts": 0.25,
    "routing.cold_tokens": 0.18,
}


LOADS = GroupTimes(0, 0, 0, 0, gate_load=0.0, expert_load=0.0, attention_load=0.0, prefetched=2, queued=3)


@pytest.mark.parametrize(
    ("loads", "others_s", "batches"),
    [
        (LOADS._replace(gate_load=9.0), 1.0, 5),  # (4): 2 n >= 9; (5) asks for 2.5 n >= 9 alone
        (LOADS._replace(expert_load=5.0, queued=0), 1.0, 4),  # (5): 2.5 n >= 2 x 5
        (LOADS._replace(expert_load=10.0), 10.0, 9),  # (6): 3.5 n >= 3 x 10; (5) 2.5 n >= 20, (7) 13.5 n >= 50
        (LOADS._replace(expert_load=10.0, attention_load=13.0), 1.0, 14),  # (7): 4.5 n >= 5 x 10 + 13
    ],
)
def test_each_of_the_four_inequalities_may_decide(loads: GroupTimes, others_s: float, batches: int) -> None:
    """Equations 4 to 7: a batch attends for 2 s, its gate takes 0.5 s, its tokens in the two hot experts 1 s and in the
    three others as much as is said."""

    def times(n: int) -> GroupTimes:
        return loads._replace(attention=2.0 * n, gate=0.5 * n, hot=1.0 * n, others=others_s * n)

    assert smallest_group(times) == batches
    assert not times(batches - 1).hides


def test_a_group_attends_batch_by_batch_and_shares_each_expert() -> None:
    program = prepare(load_experiment("klotski-deepseek-v2", SMALL | {"policy.batch_sequences": 4})).program
    tags = program.tags[program.events["tag"]]
    cell = (tags["step"] == 1) & (tags["layer"] == 3) & (program.events["kind"] == STREAM)
    names = [PURPOSES[purpose] for purpose in tags["purpose"][cell]]
    assert names[:4] == ["attention"] * 3 + ["gate"]
    assert names.count("expert") == len(set(tags["expert"][cell & (tags["expert"] >= 0)].tolist()))


GROUP = SMALL | {"policy.batch_sequences": 4, "policy.host_cache": True, "policy.prefetch_experts": 2}


def test_hot_experts_come_while_the_group_attends() -> None:
    """Two of each layer are asked for when it begins, the others by its gate; each is brought once."""
    program = prepare(load_experiment("klotski-deepseek-v2", GROUP | {"policy.gpu_experts": 1})).program
    tags, kind = program.tags[program.events["tag"]], program.events["kind"]
    for layer in range(32):
        cell = (tags["step"] == 1) & (tags["layer"] == layer)
        moved = tags["expert"][cell & (kind == COPY) & (tags["purpose"] == PURPOSES.index("move weights"))]
        asked = set(tags["expert"][cell & (kind == STREAM) & (tags["expert"] >= 0)].tolist())
        assert len(set(moved.tolist())) == len(moved)
        assert set(moved.tolist()) < asked
    hidden, waiting = (_step_s(GROUP | {"policy.gpu_experts": 1, "policy.prefetch_experts": hot}) for hot in (2, 0))
    assert hidden < waiting  # few sequences: the link would idle while they attend


def test_without_the_order_experts_run_batch_by_batch_once_all_have_attended() -> None:
    program = prepare(load_experiment("klotski-deepseek-v2", GROUP | {"policy.reorder": False})).program
    tags = program.tags[program.events["tag"]]
    cell = (tags["step"] == 1) & (tags["layer"] == 3) & (program.events["kind"] == STREAM)
    names = [PURPOSES[purpose] for purpose in tags["purpose"][cell]]
    turns = [name for name, before in zip(names, [None, *names], strict=False) if name != before]
    assert turns == ["attention", *["gate", "expert", "combine"] * 3]
    assert _step_s(GROUP | {"policy.reorder": False}) > _step_s(GROUP)


def _step_s(settings: dict[str, Any]) -> float:
    result = run("klotski-deepseek-v2", settings)
    return result.decode_s / result.decode_steps


def test_the_result_says_how_many_batches_it_takes() -> None:
    figures = run("klotski-deepseek-v2", SMALL | {"policy.batch_sequences": 4}).policy_report
    assert figures["batches of the group"] == 3
    assert figures["batches that hide the loads"] > 3  # a 4090 reads weights 40 times as fast as they come
