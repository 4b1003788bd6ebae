"""Events that a policy or a kind of unit adds to every layer, from a package of its own.

    @lowering_hooks.register("mode-switch")
    class ModeSwitch(LoweringHook):
        summary = "a PIM memory leaves and enters its normal mode around its experts"

        def after_gate(self, scene, at):
            for unit in scene.machine.near_data_units:
                lane = scene.machine.lane_id(unit.name, unit.lanes[0])
                scene.sheet.add(COMPUTE, lane, at.place(scene, lane), HOOK, busy_ps=500_000)

A policy names the hooks it asks for in `Policy.lowering_hooks`, a kind of unit in
`UnitKind.lowering_hooks`. Entry-point group: ``moe_cosim.lowering_hooks``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.machine import Machine
from moe_cosim.registry import Registry
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.scene import Scene
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose
from moe_cosim.workloads.programs.program import PURPOSES

HOOK: Final = Purpose(PURPOSES.index("hook"))
"""What the events of hooks are tagged with; `HOOK._replace(tokens=...)` says more."""

_ORDERS: Final = 1 << 16
"""Events of one hook, stage, lane and layer."""


@dataclass(frozen=True)
class Moments:
    """One stage of every layer that has it, for one hook."""

    step: Ints
    """[moments], 0 the prefill."""
    layer: Ints
    """[moments], of the model."""
    main_slot: int
    other_slot: int
    hook: int

    def place(self, scene: Scene, lane: int, order: int = 0) -> Place:
        """Where the stage is in the order of `lane`; a hook's events of one layer follow their `order`.

        Raises `ValueError` for an order beyond 65535.
        """
        if not 0 <= order < _ORDERS:
            raise ValueError(f"order {order} of a hook's events is not in 0..{_ORDERS - 1}")
        slot = self.main_slot if lane == scene.gpu_lane else self.other_slot
        return Place(self.step, self.layer, slot, self.hook * _ORDERS + order)

    def select(self, which: ArrayLike) -> Moments:
        """Only some of the moments: a mask or indices [moments]."""
        chosen = np.asarray(which)
        return Moments(self.step[chosen], self.layer[chosen], self.main_slot, self.other_slot, self.hook)


class LoweringHook:
    """Adds columns of events to ``scene.sheet`` at the stages it overrides; made and called once per block of steps.

    An event is only in the order of its own lane. One that must follow, or be followed by, something
    on another lane needs a token: ``scene.sheet.new_tokens``, a SIGNAL there and a WAIT here. Address
    ranges come from ``scene.layout`` (scratch in ``activations``) or from the plan.
    """

    summary: ClassVar[str]

    def before_attention(self, scene: Scene, at: Moments) -> None:
        """Every layer: the GPU has begun it and not attended yet; other lanes have done nothing in it."""

    def after_gate(self, scene: Scene, at: Moments) -> None:
        """Every MoE layer: on the GPU the gate is known; other lanes have no move or expert behind them."""

    def after_experts(self, scene: Scene, at: Moments) -> None:
        """Every MoE layer: on the GPU all results are there, not combined; other lanes have ended the layer."""


lowering_hooks: Registry[type[LoweringHook]] = Registry("lowering hook", "lowering_hooks")


def hook_names(machine: Machine, asked_for: Iterable[str]) -> list[str]:
    """Of all hooks that the policy (`asked_for`) and the machine's kinds of unit name, each once."""
    kinds = (name for unit in machine.units.values() for name in unit.lowering_hooks)
    return sorted({*asked_for, *kinds})


def lower_hooks(scene: Scene, asked_for: Iterable[str]) -> None:
    """The events of all hooks that the policy (`asked_for`) and the machine's kinds of unit name, each once.

    Raises `InputError` for a name that nobody registered.
    """
    every, sparse = np.arange(scene.model.layers), scene.moe_layers
    names = hook_names(scene.machine, asked_for)
    if names and scene.expert_parts > 1:
        allowed = f"one without {names[0]}: its experts run micro-batch by micro-batch"
        raise InputError(f"machine {scene.machine.name}", "policy", Plain("a hook of the lowering"), allowed)
    for number, name in enumerate(names):
        hook = lowering_hooks.get(name, "lowering", "hook")()
        for stage, layers, slots_of in (
            (hook.before_attention, every, (slots.BEFORE_ATTENTION, slots.OTHER_BEFORE_ATTENTION)),
            (hook.after_gate, sparse, (slots.AFTER_GATE, slots.OTHER_AFTER_GATE)),
            (hook.after_experts, sparse, (slots.AFTER_EXPERTS, slots.OTHER_AFTER_EXPERTS)),
        ):
            stage(scene, Moments(*scene.grid(scene.steps, layers), *slots_of, number))
