"""A run of the kernel over blocks that come one after the other, and how it ends in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain, RunError
from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.engines.embedded.flatten import FlatProgram, flatten, name_of
from moe_cosim.sim.engines.embedded.state import KernelState, new_state, with_events
from moe_cosim.sim.engines.embedded.tables import LONGEST_PS, MachineTables, leave, tables_of
from moe_cosim.sim.engines.embedded.window import EventWindow, PendingBlock, gates
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.programs.program import SIGNAL, WAIT, Program

_NAMED_LANES: Final = 8

Step = Callable[[FlatProgram, KernelState, int], int]
"""With the number of events known so far."""


class BlockRun:
    """One look ahead: a block is given to the kernel when a lane that gates has run out of events, so that
    whatever shares a resource with its events is there when they start."""

    def __init__(self, machine: Machine, line_bytes: int) -> None:
        self._machine = machine
        self._line_bytes = line_bytes
        self._tables: MachineTables = tables_of(machine)
        self._known = 0
        self._blocks: list[PendingBlock] = []
        self._window: EventWindow
        self._flat: FlatProgram
        self._state: KernelState

    def timelines(self, blocks: Iterable[Program], step: Step) -> Iterator[Timeline]:
        """Of each block, when all its events have ended. `step` goes on as the kernel's `advance` does. Raises
        `RunError` that names what waits for what in a deadlock.
        """
        from moe_cosim.sim.engines.embedded.kernel import LATE, OVER, RUNNING

        coming = iter(blocks)
        program = next(coming, None)
        while program is not None:
            self._append(program)
            program = next(coming, None)
            self._state.lane["gates"] = gates(len(self._machine.lanes), program)
            outcome = RUNNING
            while outcome == RUNNING:
                outcome = step(self._flat, self._state, self._known)
            if outcome == LATE:
                raise RunError(self._why_late())
            if outcome == OVER and (self._state.lane["next"] < self._state.lane["end"]).any():
                raise RunError(self._why_stuck())
            self._window.keep(self._state)
            over = list(self._window.over(self._blocks, self._state))
            del self._blocks[: len(over)]
            yield from (block.timeline for block in over)
        leave(self._machine, self._tables)

    def _append(self, program: Program) -> None:
        where, machine = name_of(program), self._machine
        program.validate(where, follows=self._known > 0)
        if tuple(program.lanes) != machine.lanes:
            raise InputError(where, "lanes", Plain(f"{len(program.lanes)} other lanes"), f"the lanes of {machine.name}")
        if self._known == 0:
            self._window = EventWindow.first(program)
            self._flat, self._tables = flatten(machine, program, self._tables, self._line_bytes)
            self._state = new_state(self._flat)
        else:
            self._go_on_with(program)
        self._known += len(program.events)
        self._blocks.append(self._window.newest)

    def _go_on_with(self, program: Program) -> None:
        """The kernel's state in a new window."""
        old_state, old_flat, lanes = self._state, self._flat, self._state.lane
        at = lanes["next"].copy()
        under_way = np.flatnonzero(lanes["flows"] > 0)
        started_ps, flow = old_state.start_ps[at[under_way]], old_flat.first_flow[at]
        self._window = self._window.followed_by(program, self._known, old_state, self._heard())
        self._flat, self._tables = flatten(self._machine, self._window.program, self._tables, self._line_bytes)
        begin, heard, flat = self._window.begin, self._window.heard, self._flat
        self._state = state = with_events(old_state, flat, begin)
        state.counters["short"] = 0
        state.start_ps[begin[under_way]] = started_ps
        state.end_ps[heard] = self._window.heard_end_ps
        tokens = flat.events["token"][heard].astype(np.int64) - flat.first_token
        np.subtract.at(state.token_missing, tokens, 1)
        entries = state.heap[: int(state.counters["waiting"][0])]
        coming = entries["slot"][entries["key"] % 2 == 1]  # flows that have not begun are known by their number
        lane = state.slot["lane"][coming]
        state.slot["flow"][coming] += flat.first_flow[begin[lane]] - flow[lane]

    def _heard(self) -> NDArray[np.int64]:
        """Rows of signals that have ended, but may arrive no sooner than some that have not."""
        state, window = self._state, self._window
        lanes = state.lane
        gating = lanes["gates"] > 0
        soonest_ps = min(int(state.counters["now_ps"][0]), int(lanes["time_ps"][gating].min(initial=LONGEST_PS)))
        events = window.program.events
        ended = np.arange(len(events)) < lanes["next"][events["lane"]]
        signals = np.flatnonzero(ended & (events["kind"] == SIGNAL))
        arrives_ps = state.end_ps[signals] + self._longest_way_ps()[events["lane"][signals]]
        kept = arrives_ps >= soonest_ps
        state.counters["forgotten_ps"] = np.maximum(state.counters["forgotten_ps"], arrives_ps[~kept].max(initial=-1))
        heard: NDArray[np.int64] = signals[kept]
        return heard

    def _longest_way_ps(self) -> NDArray[np.int64]:
        """[L] latency from each lane's unit to the farthest other."""
        machine = self._machine
        units = list(machine.units)
        of_unit = {a: max(machine.path(a, b).latency_ps if a != b else 0 for b in units) for a in units}
        return np.array([of_unit[unit] for unit, _ in machine.lanes], dtype=np.int64)

    def _why_late(self) -> str:
        unit, lane = self._machine.lanes[int(self._state.counters["late"][0]) - 1]
        return (
            f"{unit}.{lane} skips a block and goes on before the other lanes have got as far: "
            "run the program in longer blocks"
        )

    def _why_stuck(self) -> str:
        program, lanes = self._window.program, self._state.lane
        at = lanes["next"]
        stuck = np.flatnonzero(at < lanes["end"]).tolist()
        waiting = [lane for lane in stuck if program.events["kind"][at[lane]] == WAIT]
        if waiting != stuck or lanes["time_ps"].max() >= LONGEST_PS:
            # some lane moves bytes still: the kernel gave up at its limit of time
            return "the run takes more than 13 days of simulated time: some rate, size or duration must be wrong"
        named = []
        for lane in stuck[:_NAMED_LANES]:
            row = int(at[lane])
            token, number = program.events["token"][row], self._window.number[row]
            named.append(f"{'.'.join(program.lanes[lane])} at event {number} (token {token})")
        more = f" and {len(stuck) - _NAMED_LANES} more lanes" if len(stuck) > _NAMED_LANES else ""
        return f"deadlock: these lanes wait for signals that never come: {', '.join(named)}{more}"
