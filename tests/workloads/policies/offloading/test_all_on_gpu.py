"""Everything resident: nothing moves, and what does not fit is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.sim.cli.main import main
from moe_cosim.sim.engines.base import engines
from moe_cosim.workloads.routing.routing import Routing
from tests.workloads.hand_made import decided, lower_plan, routing


def test_nothing_moves_and_every_copy_is_resident() -> None:
    plan = decided(routing([[(0, 1), (1, 2)]], [[(0, 2), (1, 2)]], 3), "all-on-gpu").plan
    assert len(plan.moves) == 0
    assert len(plan.residents) == 2 * 3
    assert (plan.runs["move"] == -1).all()
    assert {plan.units[unit] for unit in plan.runs["unit"]} == {"gpu.sm"}


def test_a_model_that_does_not_fit_is_refused() -> None:
    routed = routing([[(0,), (0,)]], [], 2)
    capacity = {"devices.gpu.memories.hbm.capacity": "30 MB"}
    said = r"all experts \(fp16\) in gpu.hbm: found 25.17 MB needed; .* of 30 MB: 9.768 MB are missing \(machine.set"
    with pytest.raises(InputError, match=said) as refused:
        decided(routed, "all-on-gpu", machine_set=capacity)
    assert refused.value.exit_code == 2


def test_the_command_line_ends_with_2_and_one_line() -> None:
    ended = CliRunner().invoke(main, ["run", "cxl-ndp-mixtral-8x7b-3bit", "--set", "policy={name: all-on-gpu}"])
    assert ended.exit_code == 2
    assert "Traceback" not in ended.output
    assert "all experts (fp16) in gpu.hbm" in " ".join(ended.output.split())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("policy", "options"),
    [
        ("on-demand", {}),
        ("lru", {"cache_experts": 3}),
        ("lru", {"cache_experts": 3, "speculative": True}),
        ("belady", {"cache_experts": 8}),
        ("klotski", {"gpu_experts": 4}),
        ("static-hybrid", {"gpu_experts": 8}),
    ],
)
def test_no_system_that_computes_on_the_gpu_alone_is_faster(policy: str, options: dict[str, Any], seed: int) -> None:
    """Step by step, also where everything came to lie in the GPU's memory."""
    chosen = np.random.default_rng(seed).permuted(np.tile(np.arange(8), (24, 3, 1)), axis=2)[..., :2]
    routed = routing(chosen[:12].tolist(), chosen[12:].tolist(), 8)
    bound, found = (_step_ps(routed, *each) for each in (("all-on-gpu", {}), (policy, options)))
    assert (found >= bound).all()
    if policy == "static-hybrid":
        assert (found == bound).all()


def _step_ps(routed: Routing, policy: str, options: dict[str, Any]) -> NDArray[np.int64]:
    """[steps] how long each takes."""
    found = decided(routed, policy, options, machine="rtx4090-xeon-6454s")
    program = lower_plan(found.scenario, found.plan)
    timeline = engines.get("embedded")().run(found.scenario.machine, program)
    step = program.tags["step"][program.events["tag"]]
    last = program.events["lane"] == program.lanes.index(("gpu.sm", "main"))
    ends = [timeline.end_ps[last & (step == each)].max() for each in range(found.scenario.demand.steps)]
    return np.diff(ends, prepend=0)
