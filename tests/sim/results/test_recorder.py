"""What a run keeps in memory: its blocks as one program, with the times of every event."""

from __future__ import annotations

import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.results.recorder import MemoryRecorder
from moe_cosim.sim.run import run
from moe_cosim.testing.engine.machines import one_memory, unit
from moe_cosim.workloads.programs.builder import ProgramBuilder
from tests.sim.tiny import Tiny


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_blocks_are_one_run_lane_by_lane(blocks: int) -> None:
    """In block n lane l0 computes for n ps and l1 for 10 n ps."""
    machine, recorder = one_memory([unit("u", lanes=2)]), MemoryRecorder()
    for number in range(1, blocks + 1):
        program = ProgramBuilder(machine).compute("u.l0", number).compute("u.l1", 10 * number).build()
        recorder.add(program, EmbeddedEngine().run(machine, program))
    kept = recorder.close()
    assert kept is not None
    assert kept.program.events["lane"].tolist() == [0] * blocks + [1] * blocks
    in_turn = list(range(1, blocks + 1))
    assert (kept.end_ps - kept.start_ps).tolist() == in_turn + [10 * each for each in in_turn]


def test_what_is_no_part_of_a_run_is_not_kept(tiny: Tiny) -> None:
    with pytest.raises(InputError, match="keep: found 'programs'; allowed: one of program, timeline"):
        run(tiny.path, keep=("program", "programs"))
