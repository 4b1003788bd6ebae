"""Run the cases: on SST where it is asked for, else against what it said before."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from moe_cosim.errors import InputError
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.crosscheck.case import Case, fingerprint
from moe_cosim.sim.crosscheck.compare import CaseComparison, CrossCheck, compare
from moe_cosim.sim.crosscheck.independent.told import by_shares_alone, with_memories
from moe_cosim.sim.crosscheck.recording import RecordedCase, Recording
from moe_cosim.sim.crosscheck.suite import FED, Suite
from moe_cosim.sim.engines.embedded import EmbeddedEngine
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.programs.program import Program


def crosscheck(
    names: Collection[str] = (),
    live: bool = False,
    record: bool = False,
    progress: Callable[[float], None] | None = None,
    suite: Suite = FED,
) -> CrossCheck:
    """`names`: cases (default: all). `record`: keep what SST says now in the suite's recording (of named
    cases beside the others'; without names it is made anew)."""
    cases = _chosen(suite, names)
    recording = None if live or record else Recording.load(suite.recorded)
    said: dict[str, RecordedCase] = {}
    compared: list[CaseComparison] = []
    version = _live_version() if recording is None else recording.sst_version
    for done, case in enumerate(cases):
        runs = []
        for run in case.runs:
            machine, program = run.build()
            if recording is None:
                timeline, wall_s = _run_sst(run, machine, program)
                said[run.name] = RecordedCase(timeline, _fingerprint(run, machine, program), wall_s)
            else:
                said[run.name] = recording.of(run.name, _fingerprint(run, machine, program))
            runs.append(_compared(run, machine, program, said[run.name]))
        compared.append(runs[0] if len(runs) == 1 else runs[0].with_events_of(runs[1]))
        if progress is not None:
            progress((done + 1) / len(cases))
    if record:
        _record(suite, version, said, keep=bool(names))
    return CrossCheck(version, recording is None, compared, suite.name, suite.bounds)


def _compared(case: Case, machine: Machine, program: Program, sst: RecordedCase) -> CaseComparison:
    """The embedded engine's run beside what SST said."""
    told = with_memories(machine, by_shares_alone) if case.memory == "shares" else machine
    started = time.perf_counter()
    embedded = EmbeddedEngine(line_bytes=case.line_bytes).run(told, program)
    embedded_s = time.perf_counter() - started
    return compare(case, machine, program, sst.timeline, embedded, sst.wall_s, embedded_s)


def _fingerprint(case: Case, machine: Machine, program: Program) -> str:
    return fingerprint(machine, program, case.memory != "shares")


def _record(suite: Suite, version: str, said: dict[str, RecordedCase], keep: bool) -> None:
    known = suite.cases()
    if keep:
        before = Recording.load(suite.recorded)
        if before.sst_version != version:
            allowed = f"SST {before.sst_version}, as the cases recorded before (or record all cases)"
            raise InputError("crosscheck", "SST version", version, allowed)
        said = before.cases | said
    in_order = {run.name: said[run.name] for case in known.values() for run in case.runs if run.name in said}
    Recording(version, suite.command, in_order).save(suite.recorded)


def _chosen(suite: Suite, names: Collection[str]) -> list[Case]:
    known = suite.cases()
    for name in names:
        if name not in known:
            raise InputError("crosscheck", "case", name, known)
    return [case for name, case in known.items() if not names or name in names]


def _run_sst(case: Case, machine: Machine, program: Program) -> tuple[Timeline, float]:
    from moe_cosim.sim.engines.sst.engine import SstEngine

    started = time.perf_counter()
    timeline = SstEngine.from_options({"line_size": case.line_bytes, "memory": case.memory}, case.name).run(
        machine, program
    )
    return timeline, time.perf_counter() - started


def _live_version() -> str:
    from moe_cosim.sim.engines.sst.installation import find_installation

    return find_installation().version
