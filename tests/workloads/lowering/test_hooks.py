"""Hooks of the lowering from another package: their events are in the program, and all else is as it was."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.hooks import Moments
from tests.outside import install, python
from tests.workloads.hand_made import decided, lower_plan, one_layer

OUTSIDE = """
import numpy as np
from moe_cosim.hw_models.units.kinds import Role, UnitKind, unit_kinds
from moe_cosim.workloads.lowering.hooks import HOOK, LoweringHook, lowering_hooks
from moe_cosim.workloads.lowering.sheet import Range
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.near_data.monde import Monde
from moe_cosim.workloads.programs.program import COMPUTE, CONTENTS, READ, SIGNAL, STREAM, WAIT

SWITCH_PS, ROWS_BYTES = 500_000, 4096


@lowering_hooks.register("collect")
class Collect(LoweringHook):
    "After the gate every core reads 4 KiB of its scratch; the GPU combines when all have."

    summary = "for a test"

    def before_attention(self, scene, at):
        lane = scene.dma_lane("prefetch")
        scene.sheet.add(COMPUTE, lane, at.place(scene, lane), HOOK, busy_ps=1)

    def after_gate(self, scene, at):
        near = scene.machine.near_data_units
        begun, self.ended = (scene.sheet.new_tokens(len(at.step)) for _ in range(2))
        self.count = len(near)
        scene.sheet.add(SIGNAL, scene.gpu_lane, at.place(scene, scene.gpu_lane), HOOK, token=begun)
        for unit in near:
            lane = scene.machine.lane_id(unit.name, unit.lanes[0])
            rows = Range(scene.layout.activations[unit.local_memory], ROWS_BYTES, READ, CONTENTS.index("activations"))
            scene.sheet.add(WAIT, lane, at.place(scene, lane, 0), HOOK, token=begun, count=1)
            scene.sheet.add(STREAM, lane, at.place(scene, lane, 1), HOOK, ranges=(rows,))
            scene.sheet.add(SIGNAL, lane, at.place(scene, lane, 2), HOOK, token=self.ended)

    def after_experts(self, scene, at):
        lane = scene.gpu_lane
        scene.sheet.add(WAIT, lane, at.place(scene, lane), HOOK, token=self.ended, count=self.count)


@lowering_hooks.register("mode-switch")
class ModeSwitch(LoweringHook):
    "A PIM memory changes its mode before and after its experts."

    summary = "for a test"

    def after_gate(self, scene, at):
        for unit in scene.machine.near_data_units:
            lane = scene.machine.lane_id(unit.name, unit.lanes[0])
            scene.sheet.add(COMPUTE, lane, at.place(scene, lane), HOOK, busy_ps=SWITCH_PS)

    after_experts = after_gate


@unit_kinds.register("pim")
class Pim(UnitKind):
    summary = "cores in the banks of a memory"
    role = Role.NEAR_DATA
    lowering_hooks = ("mode-switch",)


@policies.register("collecting-monde")
class CollectingMonde(Monde):
    summary = "for a test"
    lowering_hooks = ("collect",)
"""

RUN = """
import inspect, json
import numpy as np
from moe_cosim.sim.engines.base import engines
from moe_cosim.workloads.programs.program import COMPUTE, PURPOSES, READ, SIGNAL, STREAM, WAIT
from tests.workloads.lowering import test_conservation as conservation

conservation.POLICIES["collecting-monde"] = {}
found = {}
for policy in ("monde", "collecting-monde"):
    lowered = conservation.Lowered("mixtral-8x7b", policy, machine=MACHINE)
    checks = [check for name, check in vars(conservation).items()
              if name.startswith("test_") and list(inspect.signature(check).parameters) == ["lowered"]]
    for check in checks:
        check(lowered)
    program, machine = lowered.program, lowered.scenario.machine
    hooks = lowered.tags["purpose"] == PURPOSES.index("hook")
    timeline = engines.get("embedded")().run(machine, program)
    rest = program.events[~hooks][["kind", "lane", "setup_ps", "busy_ps", "accesses"]]
    reads = lowered.rows("hook", STREAM)
    waits, combines = lowered.rows("hook", WAIT), lowered.rows("combine", STREAM)
    on_gpu = program.events["lane"][waits] == program.lanes.index(("gpu.sm", "main"))
    found[policy] = {
        "checks": len(checks), "cells": len(lowered.cells("gate")), "near": len(machine.memories) - 1,
        "computes": len(lowered.rows("hook", COMPUTE)), "streams": len(reads),
        "bytes": lowered.total("hook", STREAM, "activations", READ),
        "rest": sorted(map(str, rest.tolist())), "layers": lowered.steps * lowered.model.layers,
        # of each MoE layer, in order: the last core's read ends before the GPU combines
        "late": bool(len(reads)) and bool((timeline.start_ps[combines] < timeline.end_ps[waits[on_gpu]]).any()),
        "follows": bool(len(reads)) and [int(at) for at in waits[on_gpu] + 1] == combines.tolist(),
    }
print(json.dumps(found))
"""


def run(folder: Path, machine: str) -> dict[str, dict[str, object]]:
    groups = {"lowering_hooks": "collect", "unit_kinds": "pim", "policies": "collecting-monde"}
    install(folder, "outside", {"outside.py": OUTSIDE}, {group: {name: "outside"} for group, name in groups.items()})
    found: dict[str, dict[str, object]] = json.loads(python(folder, RUN.replace("MACHINE", repr(machine))))
    return found


def test_a_policy_s_hook_adds_its_events_and_changes_no_other(tmp_path: Path) -> None:
    found = run(tmp_path, "h100-cxl-ndp-4")
    plain, hooked = found["monde"], found["collecting-monde"]
    assert plain["checks"] == hooked["checks"]
    assert int(str(plain["checks"])) >= 10
    assert (plain["computes"], plain["streams"]) == (0, 0)
    assert hooked["computes"] == hooked["layers"]
    assert hooked["streams"] == 4 * int(str(hooked["cells"]))
    assert hooked["bytes"] == 4096 * 4 * int(str(hooked["cells"]))
    assert hooked["rest"] == plain["rest"]
    assert hooked["follows"]
    assert not hooked["late"]


def test_a_kind_of_unit_brings_its_hook_to_every_policy(tmp_path: Path) -> None:
    machine = tmp_path / "machine.yaml"
    machine.write_text(
        "kind: machine\ntitle: PIM\ndevices: {gpu: {device: h100-sxm}, pim: {device: ./pim.yaml}}\n"
        "links: {wire: {link: pcie4-x16, ends: [gpu.pcie, pim.pcie]}}\n"
    )
    device = Path(__file__).parents[3] / "hw_models/catalog/devices/cxl-ndp.yaml"
    (tmp_path / "pim.yaml").write_text(device.read_text().replace("core:\n    kind: ndp", "core:\n    kind: pim"))
    found = run(tmp_path, str(machine))
    assert found["monde"]["computes"] == 2 * int(str(found["monde"]["cells"]))
    # two hooks: the policy's computes once per layer, the kind's twice per MoE layer
    both = 2 * int(str(found["monde"]["cells"])) + int(str(found["monde"]["layers"]))
    assert found["collecting-monde"]["computes"] == both


def test_a_hook_nobody_registered_is_named() -> None:
    found = decided(one_layer([(0, 1)], [(0, 1)], experts=2), "monde")
    with pytest.raises(InputError, match=r"lowering: hook: found 'no-such'; allowed: one of"):
        lower_plan(found.scenario, found.plan, ("no-such",))


def test_hooks_keep_to_their_own_part_of_a_lane_s_order() -> None:
    scene = SimpleNamespace(gpu_lane=3)
    first, second = (Moments(np.arange(2), np.arange(2), 7, 2, hook) for hook in (0, 1))
    assert first.place(scene, 3).slot == 7
    assert first.place(scene, 4).slot == 2
    assert first.place(scene, 4, 65535).order < second.place(scene, 4).order
    assert second.select([1]).place(scene, 4, 5).step.tolist() == [1]
    with pytest.raises(ValueError, match="order 65536"):
        first.place(scene, 4, 65536)


def test_each_stage_of_a_layer_follows_the_one_before() -> None:
    """On the GPU; what a policy does behind the gate is given before the shared expert runs."""
    stages = "HOST BEFORE_ATTENTION ATTENTION CROSS_ATTENTION DENSE_FFN GATE GATE_SIGNAL AFTER_GATE SHARED EXPERTS"
    order = [getattr(slots, name) for name in f"{stages} GATHER AFTER_EXPERTS COMBINE BAND".split()]
    assert all(before < after for before, after in itertools.pairwise(order))
