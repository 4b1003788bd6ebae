"""How many drafted tokens are accepted: closed forms, files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment, Workload
from moe_cosim.sim.sweep.plan.sweep_file import beside
from moe_cosim.workloads.verify.acceptance import decode_steps, drawn
from moe_cosim.workloads.verify.decode_steps import DecodeSteps


def experiment(
    draft_tokens: int = 3, acceptance: Any = 0.5, batch: int = 2, output: int = 40, seed: int = 0
) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "verify",
            "machine": {"use": "h100-cxl-ndp"},
            "model": "mixtral-8x7b",
            "routing": {"source": "generator", "preset": "mixtral-8x7b"},
            "workload": {
                "batch": batch,
                "prompt_tokens": 8,
                "output_tokens": output,
                "verify": {"draft_tokens": draft_tokens, "acceptance": acceptance},
            },
            "policy": {"name": "monde"},
            "seed": seed,
        }
    )


@given(st.integers(0, 5), st.floats(0, 1), st.floats(0, 1), st.integers(0, 100))
def test_a_higher_chance_accepts_no_fewer_in_any_step(drafted: int, one: float, other: float, seed: int) -> None:
    workload = Workload(batch=3, prompt_tokens=1, output_tokens=12)
    low, high = sorted((one, other))
    fewer, more = (drawn(workload, [chance] * drafted, seed) for chance in (low, high))
    assert (fewer <= more).all()
    assert DecodeSteps.enough(workload, more).count <= DecodeSteps.enough(workload, fewer).count


@given(st.integers(1, 3), st.integers(1, 30), st.integers(0, 4), st.floats(0, 1), st.integers(0, 9))
def test_steps_are_as_many_as_it_takes(batch: int, output: int, drafted: int, chance: float, seed: int) -> None:
    steps = decode_steps(experiment(min(drafted, 8 + output), chance, batch, output, seed))
    yielded = (steps.accepted + 1).sum(axis=1)
    assert yielded.sum() >= steps.tokens == batch * (output - 1)
    assert yielded[:-1].sum() < max(steps.tokens, 1)
    verified = steps.first_tokens
    assert (np.diff(verified, axis=0) == steps.accepted[:-1] + 1).all()
    assert not verified[:1].any()


def test_a_file_says_what_each_step_accepts(tmp_path: Path) -> None:
    path = tmp_path / "accepted.csv"
    path.write_text("# of sequence 0, of sequence 1\n2, 0\n\n1,1\n3,3 # the last that is needed\n0,0\n")
    steps = decode_steps(experiment(3, str(path), output=8))
    assert steps.accepted.tolist() == [[2, 0], [1, 1], [3, 3]]
    assert steps.first_tokens.tolist() == [[0, 0], [3, 1], [5, 3]]


def test_a_sweep_may_name_a_file_that_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "accepted.csv").write_text("0\n")
    named = {"draft_tokens": 1, "acceptance": "accepted.csv"}
    assert beside("workload.verify", named, tmp_path)["acceptance"] == str(tmp_path / "accepted.csv")
    assert beside("workload.verify.acceptance", "other.csv", tmp_path) == "other.csv"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1\n", "line 1: found 1 numbers; allowed: 2, one for each sequence of the batch"),
        ("1,4\n", "line 1: found '4'; allowed: a whole number from 0 to the 3 drafted tokens"),
        ("0,0\n1,-1\n", "line 2: found '-1'; allowed: a whole number from 0 to the 3 drafted tokens"),
        ("0,x\n", "line 1: found 'x'; allowed: a whole number from 0 to the 3 drafted tokens"),
        ("3,3\n", "steps: found 1 steps that yield 8 tokens; allowed: steps that yield at least the 78 tokens"),
    ],
)
def test_files_that_say_something_else_are_refused(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "accepted.csv"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        decode_steps(experiment(3, str(path)))
    assert str(refused.value).startswith(f"{path}: {line}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("acceptance", [-0.1, 1.5, float("nan"), [], [0.5, 2], True, None, {"a": 1}])
def test_what_is_no_chance_is_refused(acceptance: object) -> None:
    with pytest.raises(InputError, match=r"workload\.verify\.acceptance: found .*; allowed: a number from 0 to 1"):
        experiment().with_settings({"workload.verify.acceptance": acceptance})
