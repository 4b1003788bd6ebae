"""``moe-cosim trace`` and ``run --trace``: what a run's trace holds, and what is refused."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.sim.engines.timeline_file import TimelineWriter
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.results.run_timeline import RunTimeline
from moe_cosim.sim.run import run
from moe_cosim.workloads.programs.program import PURPOSES, SIGNAL, WAIT
from tests.sim.tiny import Tiny, cli, says
from tests.sim.trace.reading import read_back


@pytest.fixture
def left(tiny: Tiny) -> Path:
    changes = {
        "workload.batch": 2,
        "machine.set.devices.ndp.count": 2,
        "machine.set.devices.ndp.units.core.inside": True,
    }
    run(tiny.path, changes | {"machine.set.devices.ndp.memories.dram.internal_peak": "2 TB/s"}, tiny.folder / "out")
    return tiny.folder / "out"


def written(left: Path, *options: object) -> Path:
    path = left.parent / "trace.pftrace"
    found = cli("trace", left, "-o", path, *options)
    assert found.exit_code == 0, found.output
    return path


def save(left: Path, timeline: RunTimeline) -> None:
    writer = TimelineWriter(left / "timeline.zip", len(timeline.program.lanes))
    writer.add(timeline, timeline.program.lane_starts)
    writer.close()


def refused_trace(left: Path, *options: object) -> str:
    """The line; nothing is left behind."""
    there = set(left.parent.rglob("*"))
    found = cli("trace", left, *(options or ("-o", left.parent / "trace")))
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1), (found.output, found.exception)
    assert set(left.parent.rglob("*")) == there
    return found.stderr.removeprefix("moe-cosim: ").rstrip("\n")


def test_a_trace_has_what_the_result_says(left: Path) -> None:
    result, found = Result.load(left), read_back(written(left))
    for memory in result.memories:
        moved = memory.read_bytes + memory.written_bytes
        assert found.moved(f"memories/{memory.name}") == pytest.approx(moved, rel=1e-9)
    assert sum(memory.read_bytes for memory in result.memories) > 0
    for link in result.links:
        assert found.moved(f"links/{link.name}") == pytest.approx(link.bytes, rel=1e-9)
    path = found.slices["critical path"]
    assert path[0].begin_ns == 0
    assert all(a.end_ns == b.begin_ns for a, b in itertools.pairwise(path))
    assert path[-1].end_ns == result.timeline.total_ps // 1000
    shares = [row for row in result.critical_path if row.bound == "signal latency"]
    waited_ns = sum(part.end_ns - part.begin_ns for part in path if part.name == "signal latency")
    assert waited_ns == pytest.approx(sum(row.time_ps for row in shares) / 1000, abs=len(path))


def test_every_arrow_goes_from_a_signal_to_a_wait_of_its_token(left: Path) -> None:
    timeline, found = Result.load(left).timeline, read_back(written(left))
    events = timeline.program.events
    lanes = [f"lanes/{unit}.{lane}" for unit, lane in timeline.program.lanes]

    def place(event: int) -> tuple[str, int]:
        return lanes[events["lane"][event]], int(timeline.end_ps[event]) // 1000

    wanted = [
        (place(signal), place(wait))
        for wait in np.flatnonzero(events["kind"] == WAIT)
        for signal in np.flatnonzero((events["kind"] == SIGNAL) & (events["token"] == events["token"][wait]))
    ]
    assert wanted
    assert sorted(found.arrows) == sorted(wanted)


def test_names_say_purpose_layer_expert_and_bits(left: Path) -> None:
    timeline, found = Result.load(left).timeline, read_back(written(left))
    tags = timeline.program.tags[timeline.program.events["tag"]]
    experts = [part for parts in found.slices.values() for part in parts if part.name.startswith("expert · ")]
    assert experts
    for part in experts:
        tag = tags[part.notes["event"]]
        assert part.name == f"expert · layer {tag['layer']} · expert {tag['expert']} · {tag['weight_bits']} bits"


def test_a_trace_of_some_steps_and_layers_has_nothing_else(left: Path) -> None:
    timeline = Result.load(left).timeline
    tags = timeline.program.tags[timeline.program.events["tag"]]
    wanted = np.flatnonzero((tags["step"] >= 1) & (tags["step"] <= 2) & (tags["layer"] == 1))
    found = read_back(written(left, "--steps", "1:2", "--layers", "1"))
    shown = [part.notes["event"] for name, parts in found.slices.items() if name.startswith("lanes/") for part in parts]
    assert sorted(shown) == wanted.tolist()
    assert {part.notes["event"] for part in found.slices["critical path"]} <= set(shown)
    whole = read_back(written(left))
    name = next(name for name in whole.counters if name.startswith("memories/gpu"))
    assert 0 < found.moved(name) < whole.moved(name)
    assert PURPOSES.index("head") not in tags["purpose"][wanted]


@pytest.mark.parametrize("out", [True, False])
def test_a_run_leaves_the_same_trace(tiny: Tiny, left: Path, out: bool) -> None:
    settings = [line for line in (("--out", tiny.folder / "again"),) if out]
    path = tiny.folder / "run.pftrace"
    again = cli("run", left / "experiment.yaml", "--trace", path, *(word for pair in settings for word in pair))
    assert again.exit_code == 0, again.output
    assert path.read_bytes() == written(left).read_bytes()


def test_the_command_says_what_it_wrote(left: Path) -> None:
    path = left.parent / "trace.gz"
    printed = json.loads(cli("trace", left, "-o", path, "--json").stdout)
    assert printed["events"] == Result.load(left).events
    assert printed["packets"] == read_back(path).packets
    assert path.stat().st_size < printed["bytes"] / 2


@pytest.mark.parametrize(
    ("option", "value", "found", "allowed"),
    [
        ("--steps", "1:9", "1:9", "within 0:2"),
        ("--steps", "9", "9", "within 0:2"),
        ("--layers", "2", "2", "within 0:1"),
        ("--steps", "2:1", "2:1", "first <= last"),
        ("--steps", "one", "one", "first:last"),
        ("--layers", "-1", "-1", "first:last"),
    ],
)
def test_what_the_run_does_not_have_is_refused(left: Path, option: str, value: str, found: str, allowed: str) -> None:
    says(refused_trace(left, "-o", left.parent / "trace", f"{option}={value}"), "trace", option, found, allowed)


def test_a_file_that_cannot_be_is_refused_before_the_run(tiny: Tiny, left: Path) -> None:
    nowhere = tiny.folder / "nowhere" / "trace"
    says(refused_trace(left, "-o", nowhere), nowhere, "file", "no such folder", "a folder that exists")
    says(refused_trace(left, "-o", left), left, "file", "a folder", "a file")
    for options in (("--trace", nowhere), ("--trace", tiny.folder / "trace", "--out", "o", "--keep", "result")):
        found = cli("run", tiny.path, *options)
        assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    says(found.stderr.removeprefix("moe-cosim: ").rstrip("\n"), "--trace", "--keep", "result", "all")


@pytest.mark.parametrize("name", ["experiment.yaml", "program.zip", "timeline.zip"])
def test_a_folder_that_kept_less_has_no_trace(left: Path, name: str) -> None:
    (left / name).unlink()
    says(refused_trace(left), left, name, "no such file", "run")


@pytest.mark.parametrize("name", ["program.zip", "timeline.zip"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_damaged_folder_has_no_trace(left: Path, name: str, share: float) -> None:
    whole = (left / name).read_bytes()
    (left / name).write_bytes(whole[: int(share * len(whole))])
    assert str(left / name) in refused_trace(left)


def test_times_that_no_engine_gives_are_refused(left: Path) -> None:
    timeline = Result.load(left).timeline
    overlapping = replace(timeline, start_ps=timeline.start_ps - 7)
    for changed, found in ((overlapping, "overlap"), (replace(timeline, bound=None, last_signal=None), "times alone")):
        save(left, changed)
        says(refused_trace(left), left, "timeline", found, "")


def test_signals_that_bind_nothing_are_refused(left: Path) -> None:
    timeline = Result.load(left).timeline
    bound = np.flatnonzero(timeline.last_signal >= 0)
    late = int(np.argmax(timeline.end_ps))
    for signal, found in ((-1, "no signal"), (int(bound[0]), "no signal"), (late, "no signal")):
        last_signal = timeline.last_signal.copy()
        last_signal[bound[0]] = signal
        save(left, replace(timeline, last_signal=last_signal))
        says(refused_trace(left), left, "timeline", found, "")


def test_the_machine_of_another_run_is_refused(left: Path) -> None:
    text = (left / "experiment.yaml").read_text()
    (left / "experiment.yaml").write_text(text.replace("count: 2", "count: 1"))
    says(refused_trace(left), left, "program.lanes", "another machine", "h100-cxl-ndp")


def test_a_full_disk_leaves_nothing(left: Path) -> None:
    found = cli("trace", left, "-o", "/dev/full")
    assert (found.exit_code, found.stderr) == (1, "moe-cosim: /dev/full: cannot write there: No space left on device\n")
