"""Bounds told from exact times are those that the engine which made them has decided."""

from __future__ import annotations

import numpy as np

from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.judge import judge
from moe_cosim.sim.engines.timeline import BOUNDS
from moe_cosim.testing.engine.machines import one_memory, unit
from moe_cosim.testing.engine.random_programs import RandomCase, cases
from moe_cosim.workloads.programs.builder import ProgramBuilder
from tests.drawn import drawn


@drawn(70, 200, case=cases())
def test_as_the_embedded_engine_decides(case: RandomCase) -> None:
    machine = case.machine()
    program = case.program(machine)
    decided = EmbeddedEngine().run(machine, program)
    judged = judge(machine, program, decided.start_ps, decided.end_ps)
    np.testing.assert_array_equal(judged.bound, decided.bound)
    np.testing.assert_array_equal(judged.last_signal, decided.last_signal)


def test_a_wait_for_nothing_that_took_time_is_the_engines_own_delay() -> None:
    machine = one_memory([unit("u")])
    program = ProgramBuilder(machine).wait("u.l0", 0).compute("u.l0", 5).build()
    assert program.events["count"][0] == 0
    judged = judge(machine, program, np.array([0, 7]), np.array([7, 12]))
    assert judged.bound is not None
    assert [BOUNDS[bound] for bound in judged.bound] == ["idle", "compute"]
