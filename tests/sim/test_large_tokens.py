"""Tokens are names: however large, no memory is taken for those between them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.engines.judge import judge
from moe_cosim.sim.engines.sst.folder import write_run
from moe_cosim.sim.engines.sst.streams import read_stream
from moe_cosim.sim.window import window
from moe_cosim.workloads.programs.builder import ProgramBuilder
from moe_cosim.workloads.programs.file import load_program, save_program
from moe_cosim.workloads.programs.program import Program
from tests.sim.engines.sst.machines import switched

MACHINE = switched(2, 2)
LANES = [f"{unit}.{lane}" for unit, lane in MACHINE.lanes]
FAR = 10**8
_MOST_BYTES = 50 * 2**20


def program(token: int, other: int) -> Program:
    made = ProgramBuilder(MACHINE)
    for each in (token, other):
        made.compute(LANES[0], 1_000)
        made.signal(LANES[0], each)
        made.wait(LANES[1], each)
    return made.build()


def run(each: Program, folder: Path) -> None:
    timeline = engines.get("embedded")().run(MACHINE, each)
    near = engines.get("embedded")().run(MACHINE, program(0, 1))
    np.testing.assert_array_equal(timeline.end_ps, near.end_ps)
    again = judge(MACHINE, each, timeline.start_ps, timeline.end_ps)
    np.testing.assert_array_equal(again.last_signal, timeline.last_signal)


def keep(each: Program, folder: Path) -> None:
    save_program(each, folder / "program.zip")
    np.testing.assert_array_equal(load_program(folder / "program.zip").events, each.events)


def cut(each: Program, folder: Path) -> None:
    part = window(each, None, None)
    np.testing.assert_array_equal(part.events, each.events)


def emit(each: Program, folder: Path) -> None:
    write_run(folder, MACHINE, each, 256)
    for path in (folder / "streams").iterdir():
        header, *_, events, _ = read_stream(path)
        assert header["tokens"][0] == 2
        assert set(events["token"].tolist()) <= {0, 1}


@pytest.mark.parametrize("use", [run, keep, cut, emit])
@pytest.mark.parametrize("tokens", [(FAR, FAR + 1), (0, FAR)], ids=["far from 0", "far apart"])
def test_far_tokens_take_no_memory(
    use: Callable[[Program, Path], None], tokens: tuple[int, int], tmp_path: Path
) -> None:
    use(program(0, 1), tmp_path / "warm") if use is run else None  # compiled, imported
    made = program(*tokens)
    tracemalloc.start()
    try:
        use(made, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < _MOST_BYTES
    finally:
        tracemalloc.stop()
