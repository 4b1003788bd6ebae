"""What the kernel runs of a run in blocks: what has not ended of the blocks so far, as one program.

Per lane a window has, in this order: *heard* signals, which have ended but may still be the last that a
wait waits for; events of earlier blocks that have not ended; those of the newest block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.engines.embedded.state import KernelState
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.workloads.programs.program import SIGNAL, WAIT, Program

_NOTHING: Final = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class PendingBlock:
    """One whose timeline was not given out yet."""

    first: int
    """Number of events of all blocks before."""
    timeline: Timeline

    @classmethod
    def of(cls, program: Program, first: int) -> Self:
        """A block of which no event has run yet; its first event has the number `first`."""
        events = len(program.events)
        start_ps, end_ps = np.zeros((2, events), dtype=np.int64)
        return cls(
            first, Timeline(start_ps, end_ps, np.zeros(events, dtype=np.uint8), np.zeros(events, dtype=np.int64))
        )


class Piece(NamedTuple):
    """Events of a block that follow each other in one lane."""

    lane: int
    row: int
    """Of the first, in the window."""
    block: PendingBlock
    block_row: int
    events: int


@dataclass(frozen=True)
class EventWindow:
    """E events, L lanes."""

    program: Program
    """Its accesses are those of the newest block, then those of earlier events."""
    number: NDArray[np.int64]
    """[E] of each event, counted through the blocks."""
    begin: NDArray[np.int64]
    """[L] row of the first event that has not ended at the start."""
    heard: NDArray[np.int64]
    """[heard] rows of the heard signals, and"""
    heard_end_ps: NDArray[np.int64]
    """[heard] when they ended."""
    pieces: tuple[Piece, ...]
    newest: PendingBlock

    @classmethod
    def first(cls, program: Program) -> Self:
        """Of the first block alone."""
        block = PendingBlock.of(program, 0)
        starts = program.lane_starts
        pieces = _pieces(block, starts, starts[:-1])
        return cls(program, np.arange(len(program.events)), starts[:-1], _NOTHING, _NOTHING, pieces, block)

    def followed_by(self, program: Program, first: int, state: KernelState, heard: NDArray[np.int64]) -> Self:
        """What is left of this window, of which `heard` [heard] (rows, ascending) is kept, and the next block,
        `program`.
        """
        lanes = range(len(program.lanes))
        begin, end = state.lane["next"], state.lane["end"]
        heard_of = np.searchsorted(heard, np.append(end - np.diff(self.program.lane_starts), end[-1:]))
        kept = [np.append(heard[heard_of[i] : heard_of[i + 1]], np.arange(begin[i], end[i])) for i in lanes]
        rows = np.concatenate([*kept, _NOTHING])
        events, accesses = _with_accesses(self.program, rows, len(program.accesses))
        before = np.cumsum([0, *(len(part) for part in kept)])
        starts = program.lane_starts
        numbers = first + np.arange(len(program.events))

        def by_lane(old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
            parts = [(old[before[i] : before[i + 1]], new[starts[i] : starts[i + 1]]) for i in lanes]
            return np.concatenate([part for pair in parts for part in pair]) if parts else new

        lane_start = (before + starts)[:-1]
        news = lane_start + np.diff(before)
        block = PendingBlock.of(program, first)
        heard_rows = np.concatenate([lane_start[i] + np.arange(heard_of[i + 1] - heard_of[i]) for i in lanes])
        unfinished = lane_start + np.diff(heard_of)
        moved = tuple(
            Piece(
                piece.lane,
                int(unfinished[piece.lane]) + left.start - int(begin[piece.lane]),
                piece.block,
                piece.block_row + left.start - piece.row,
                len(left),
            )
            for piece in self.pieces
            if (left := range(max(piece.row, int(begin[piece.lane])), piece.row + piece.events))
        )
        return replace(
            self,
            program=replace(
                program, events=by_lane(events, program.events), accesses=np.concatenate([program.accesses, accesses])
            ),
            number=by_lane(self.number[rows], numbers),
            begin=unfinished,
            heard=heard_rows.astype(np.int64),
            heard_end_ps=state.end_ps[heard],
            pieces=moved + _pieces(block, starts, news),
            newest=block,
        )

    def keep(self, state: KernelState) -> None:
        """Copy what has ended into the blocks' timelines."""
        last = state.last_signal
        last = np.where(last >= 0, self.number[last], -1)
        for piece in self.pieces:
            ended = min(max(int(state.lane["next"][piece.lane]) - piece.row, 0), piece.events)
            here, there = slice(piece.row, piece.row + ended), slice(piece.block_row, piece.block_row + ended)
            timeline = piece.block.timeline
            timeline.start_ps[there] = state.start_ps[here]
            timeline.end_ps[there] = state.end_ps[here]
            assert timeline.bound is not None
            assert timeline.last_signal is not None
            timeline.bound[there] = state.bound[here]
            timeline.last_signal[there] = last[here]

    def over(self, blocks: list[PendingBlock], state: KernelState) -> Iterator[PendingBlock]:
        """Those of `blocks` all of whose events have ended, up to the first of which some have not."""
        open_blocks = {id(p.block) for p in self.pieces if state.lane["next"][p.lane] < p.row + p.events}
        for block in blocks:
            if id(block) in open_blocks:
                return
            yield block


def gates(lanes: int, following: Program | None) -> NDArray[np.bool_]:
    """[L] lanes whose last event the kernel may not leave behind before the `following` block is there.

    All that have events in it, but for those that begin with a wait for another lane's signal in it:
    nothing of theirs can start before another lane has got that far.
    """
    found = np.zeros(lanes, dtype=np.bool_)
    if following is None:
        return found
    events, starts = following.events, following.lane_starts
    begun = np.flatnonzero(np.diff(starts))
    found[begun] = True
    waiting = begun[events["kind"][starts[begun]] == WAIT]
    tokens = events["token"][starts[waiting]]
    signals = np.flatnonzero(events["kind"] == SIGNAL)
    signals = signals[np.isin(events["token"][signals], tokens)]
    for lane, token in zip(waiting.tolist(), tokens.tolist(), strict=True):
        of_others = signals[(events["token"][signals] == token) & (events["lane"][signals] != lane)]
        found[lane] = not len(of_others)
    return found


def _pieces(block: PendingBlock, starts: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[Piece, ...]:
    """A block's own, lane l's from row ``rows[l]`` of the window."""
    counts = np.diff(starts).tolist()
    return tuple(
        Piece(lane, int(row), block, int(starts[lane]), count)
        for lane, (row, count) in enumerate(zip(rows.tolist(), counts, strict=True))
        if count
    )


def _with_accesses(program: Program, rows: NDArray[np.int64], first: int) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """These events of the program and their accesses, which come to lie from row `first` of a table."""
    events = program.events[rows]
    counts = events["accesses"].astype(np.int64)
    offsets = np.cumsum(counts) - counts
    accesses = np.repeat(events["first_access"].astype(np.int64) - offsets, counts) + np.arange(counts.sum())
    events["first_access"] = first + offsets
    return events, program.accesses[accesses]
