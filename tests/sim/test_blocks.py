"""A run in blocks: the same result whatever their size, and nothing is held that was dealt with."""

from __future__ import annotations

import weakref
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moe_cosim.errors import RunError
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.base import Engine, Progress
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.replay import replay
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.sim.run import run
from moe_cosim.workloads import blocks
from moe_cosim.workloads.programs.program import Program
from tests.sim.tiny import Tiny

SHORT = {"workload.prompt_tokens": 8, "workload.output_tokens": 7}
CASES = {
    "near data, 2 bits": ("cxl-ndp-mixtral-8x22b-3bit", {}),
    "prefetching": ("lru-speculative-mixtral-8x7b-rtx4090", {}),
    "mixed precision": ("hobbit-mixtral-8x7b", {}),
    "deferral": ("ktransformers-deepseek-v2", {"workload.output_tokens": 4}),
    "striped copies, moved": ("trimoe-deepseek-v2", {"workload.batch": 8, "workload.output_tokens": 4}),
    "teams": ("monde-dimm-qwen3-235b-a22b", {"workload.batch": 2, "workload.output_tokens": 3}),
}
WALL = ("wall_s", "lowering_s", "engine_s", "measuring_s", "writing_s")


class Remembering(EmbeddedEngine):
    """Takes blocks one after the other, and gives out the timelines of a run of the whole, some blocks late."""

    def __init__(self, whole: RunTimeline, late: int = 1) -> None:
        super().__init__()
        self._whole, self._late = whole, late
        self._next = whole.program.lane_starts[:-1].copy()
        self._row_of = np.full(len(whole.start_ps), -1, np.int64)
        self._rows = 0
        self.seen: list[weakref.ref[Any]] = []
        self.most_alive = 0

    def run_blocks(
        self, machine: Machine, blocks: Iterable[Program], progress: Progress | None = None
    ) -> Iterator[Timeline]:
        waiting: deque[Timeline] = deque()
        for program in blocks:
            timeline = self._cut(program)
            self.seen += [weakref.ref(array) for array in (program.events, program.accesses, timeline.end_ps)]
            waiting.append(timeline)
            del program, timeline
            self.most_alive = max(self.most_alive, sum(array() is not None for array in self.seen))
            if len(waiting) > self._late:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()

    def _cut(self, program: Program) -> Timeline:
        count = np.diff(program.lane_starts)
        rows = np.concatenate([np.arange(a, a + n) for a, n in zip(self._next, count, strict=True)])
        self._next += count
        self._row_of[rows] = self._rows + np.arange(len(rows))
        self._rows += len(rows)
        whole = self._whole
        assert whole.bound is not None
        assert whole.last_signal is not None
        signal = whole.last_signal[rows]
        return Timeline(
            whole.start_ps[rows],
            whole.end_ps[rows],
            whole.bound[rows],
            np.where(signal >= 0, self._row_of[signal], -1),
        )


def figures(result: Result) -> dict[str, Any]:
    return {name: value for name, value in result.as_dict().items() if name not in WALL}


def in_blocks(
    experiment: Experiment, engine: Engine, events: int, monkeypatch: pytest.MonkeyPatch, **more: Any
) -> Result:
    monkeypatch.setattr(blocks, "EVENTS_PER_BLOCK", events)
    monkeypatch.setattr("moe_cosim.sim.run.engine_of", lambda _: engine)
    return run(experiment, **more)


@pytest.mark.parametrize(("name", "changes"), CASES.values(), ids=CASES)
def test_no_figure_depends_on_the_blocks(name: str, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load_experiment(name, SHORT | changes)
    whole = in_blocks(experiment, EmbeddedEngine(), 1 << 40, monkeypatch)
    random = np.random.default_rng(len(name))
    for late, events in enumerate([1, *random.integers(1, whole.events, 2).tolist()]):
        engine = Remembering(whole.timeline, late)
        found = in_blocks(experiment, engine, events, monkeypatch)
        assert figures(found) == figures(whole)
        for column in ("start_ps", "end_ps", "bound", "last_signal"):
            np.testing.assert_array_equal(getattr(found.timeline, column), getattr(whole.timeline, column))


def test_program_and_timeline_are_kept_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load_experiment("hobbit-mixtral-8x7b", SHORT)
    whole = in_blocks(experiment, EmbeddedEngine(), 1 << 40, monkeypatch)
    out = tmp_path / "out"
    found = in_blocks(experiment, Remembering(whole.timeline), 1, monkeypatch, out=out).timeline
    with zipfile.ZipFile(out / "program.zip") as archive:
        assert len(archive.namelist()) == 1 + SHORT["workload.output_tokens"]
    for column in ("start_ps", "end_ps", "bound", "last_signal"):
        np.testing.assert_array_equal(getattr(found, column), getattr(whole.timeline, column))
    np.testing.assert_array_equal(found.program.events["busy_ps"], whole.timeline.program.events["busy_ps"])
    assert replay(out).equal


@pytest.mark.parametrize("out", [False, True], ids=["nothing kept", "in a folder"])
def test_blocks_are_dropped_once_dealt_with(out: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three arrays are watched of each block: at most those of the few under way are alive at a time."""
    experiment = load_experiment("monde-mixtral-8x7b", SHORT | {"workload.output_tokens": 16})
    whole = in_blocks(experiment, EmbeddedEngine(), 1 << 40, monkeypatch)
    engine = Remembering(whole.timeline)
    more = {"out": tmp_path / "out"} if out else {"keep": ()}
    found = in_blocks(experiment, engine, 1, monkeypatch, **more)
    assert figures(found) == figures(whole)
    assert len(engine.seen) == 3 * 16
    assert engine.most_alive <= 3 * 4
    assert not any(array() is not None for array in engine.seen)


def test_a_run_that_fails_on_the_way_leaves_nothing(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(EmbeddedEngine):
        def run_blocks(
            self, machine: Machine, blocks: Iterable[Program], progress: Progress | None = None
        ) -> Iterator[Timeline]:
            for block in blocks:
                yield EmbeddedEngine().run(machine, block)
                raise RunError("stuck")

    before = set(tiny.folder.iterdir())
    with pytest.raises(RunError, match="stuck"):
        in_blocks(load_experiment(tiny.path), Failing(), 1, monkeypatch, out=tiny.folder / "out")
    assert set(tiny.folder.iterdir()) == before
