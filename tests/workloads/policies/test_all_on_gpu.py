"""Everything resident: nothing moves, and what does not fit is refused."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from moe_cosim.errors import InputError
from moe_cosim.sim.cli.main import main
from tests.workloads.hand_made import decided, routing


def test_nothing_moves_and_every_copy_is_resident() -> None:
    plan = decided(routing([[(0, 1), (1, 2)]], [[(0, 2), (1, 2)]], 3), "all-on-gpu").plan
    assert len(plan.moves) == 0
    assert len(plan.residents) == 2 * 3
    assert (plan.runs["move"] == -1).all()
    assert {plan.units[unit] for unit in plan.runs["unit"]} == {"gpu.sm"}


def test_a_model_that_does_not_fit_is_refused() -> None:
    routed = routing([[(0,), (0,)]], [], 2)
    capacity = {"devices.gpu.memories.hbm.capacity": "30 MB"}
    with pytest.raises(InputError, match=r"all experts \(fp16\) in gpu.hbm: found 25.17 MB needed") as refused:
        decided(routed, "all-on-gpu", machine_set=capacity)
    assert refused.value.exit_code == 2


def test_the_command_line_ends_with_2_and_one_line() -> None:
    ended = CliRunner().invoke(main, ["run", "cxl-ndp-mixtral-8x7b-3bit", "--set", "policy={name: all-on-gpu}"])
    assert ended.exit_code == 2
    assert "Traceback" not in ended.output
    assert "all experts (fp16) in gpu.hbm" in " ".join(ended.output.split())
