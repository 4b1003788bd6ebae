"""Attention of sequences whose keys and values lie at the host: the CPU's part, and what goes over the link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from moe_cosim.workloads.batching.places import KvHome
from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.lowering import slots
from moe_cosim.workloads.lowering.attention.host_share import HostShare
from moe_cosim.workloads.lowering.attention.scores import prompt_rows_ps
from moe_cosim.workloads.lowering.kernels import ACTIVATIONS, KV
from moe_cosim.workloads.lowering.passes import Pass
from moe_cosim.workloads.lowering.scene import Scene, model_of
from moe_cosim.workloads.lowering.sheet import Ints, Place, Purpose, Range
from moe_cosim.workloads.programs.program import COPY, PURPOSES, READ, SIGNAL, STREAM, WAIT, WRITE

_SYNCHRONISE: Final = Purpose(PURPOSES.index("synchronise"))
_ATTENTION, _MOVE_KV = PURPOSES.index("attention"), PURPOSES.index("move kv")

# order in a lane of a micro-batch's copies to the host, and of what returns (behind those of the one after it, where
# the GPU goes ahead)
_TURN: Final = 16
_BACK: Final = 8
_PER_COPY: Final = 3


@dataclass(frozen=True)
class Turns:
    """Micro-batches of all layers and steps of a pass, one after the other: they take turns in two buffers of the GPU's
    memory. Arrays are [cells].
    """

    step: Ints
    """[cells] from the pass's first."""
    layer: Ints
    layers: int
    micro_batches: int
    first_step: int
    home: KvHome

    @classmethod
    def of(cls, scene: Scene, passes: Sequence[Pass]) -> Turns:
        """Of the micro-batches of one pass, which have the same cells."""
        step, layer = passes[0].every
        assert scene.layout.host is not None
        assert scene.layout.host.kv is not None
        home, first = scene.layout.host.kv, passes[0].steps.start
        return cls(step - first, layer, scene.model.layers, len(passes), first, home)

    def buffer(self, each: Pass) -> Ints:
        """[cells] address."""
        found: Ints = self.home.buffers[self._turn(each)]
        return found

    def queries(self, each: Pass) -> Ints:
        """[cells] where in host memory the CPU has what it attends to of a prompt."""
        assert self.home.queries is not None
        found: Ints = self.home.queries[self._turn(each)]
        return found

    def _turn(self, each: Pass) -> Ints:
        cells = (self.first_step + self.step) * self.layers + self.layer
        found: Ints = (cells * self.micro_batches + each.number) % 2
        return found

    def before_last(self, tokens: Ints, each: Pass, earlier: Ints) -> Ints:
        """[cells] the token of `tokens` [micro-batches, cells] of who had this buffer before; where that was before
        this pass, one of `earlier` [2], which are of the last two."""
        turn = (self.step * self.layers + self.layer) * self.micro_batches + each.number - 2
        cell, number = np.divmod(np.maximum(turn, 0), self.micro_batches)
        found: Ints = np.where(turn < 0, earlier[np.minimum(turn, -1)], tokens[number, cell])
        return found

    def last(self, tokens: Ints) -> Ints:
        """[2] of `tokens` [micro-batches, cells], those of the last two turns (of one turn, it twice)."""
        return tokens.T.reshape(-1)[-2:] if tokens.size > 1 else tokens.reshape(-1).repeat(2)


def send_prompt(
    scene: Scene,
    each: Pass,
    share: HostShare,
    turns: Turns,
    sequence_bytes: Ints,
    made: Ints,
    stored: Ints,
    query_bytes: int = 0,
) -> None:
    """Keys and values of a prompt, of so many bytes a sequence, from the buffer to their home; before them what lies
    behind them for the CPU, `query_bytes` together. `made` and `stored` [cells]: the tokens waited for and given.
    """
    size, buffer, order = share.parts.at_host * sequence_bytes, turns.buffer(each), _TURN * each.number
    home = share.cpu_kv(each.every.layer)
    if query_bytes:
        there = Range(buffer + size, query_bytes, READ, ACTIVATIONS)
        ranges = there, Range(turns.queries(each), query_bytes, WRITE, ACTIVATIONS)
        sent = scene.sheet.new_tokens(len(made))
        _copy(scene, each, "activations", order, made, ranges, sent, _ATTENTION)
        made, order = sent, order + _PER_COPY
    ranges = Range(buffer, size, READ, KV), Range(home, size, WRITE, KV)
    _copy(scene, each, "activations", order, made, ranges, stored, _MOVE_KV)


def end_prompt_on_cpu(
    scene: Scene, each: Pass, share: HostShare, turns: Turns, sequence_bytes: Ints, stored: Ints, returned: Ints
) -> None:
    """The CPU attends to its share of a prompt, of so many bytes of keys and values a sequence, and what it attends to
    returns. `stored` and `returned` [cells]: the tokens waited for and given.
    """
    parts, layer, sheet = share.parts, each.every.layer, scene.sheet
    model, lane, tokens = model_of(scene.machine.units[_cpu(scene)]), _cpu_lane(scene), scene.workload.prompt_tokens
    there, back = (parts.on_cpu * tokens * size for size in scene.model.attention.prompt_query_bytes(ACTIVATION_BYTES))
    queries = turns.queries(each)

    def place(order: int) -> Place:
        return Place(*each.every, slots.NEAR_ATTENTION, _TURN * each.number + order)

    sheet.add(WAIT, lane, place(0), _SYNCHRONISE, token=stored, count=1)
    attends = (
        Range(share.cpu_kv(layer), parts.on_cpu * sequence_bytes, READ, KV),
        Range(queries, there, READ, ACTIVATIONS),
        Range(queries, back, WRITE, ACTIVATIONS),
    )
    busy_ps = prompt_rows_ps(scene, model, parts.on_cpu, layer)
    purpose = Purpose(_ATTENTION, tokens=parts.on_cpu * tokens)
    sheet.add(STREAM, lane, place(1), purpose, setup_ps=model.launch_ps, busy_ps=busy_ps, ranges=attends)
    done = sheet.new_tokens(len(layer))
    sheet.add(SIGNAL, lane, place(2), _SYNCHRONISE, token=done)
    target = turns.buffer(each) + parts.at_host * sequence_bytes
    ranges = Range(queries, back, READ, ACTIVATIONS), Range(target, back, WRITE, ACTIVATIONS)
    # while the next one's go the other way; nothing is prefetched for a prompt
    _copy(scene, each, "prefetch", _TURN * each.number, done, ranges, returned, _ATTENTION)


def send(scene: Scene, each: Pass, share: HostShare, per_token: Ints, written: Ints, asked: Ints) -> None:
    """Queries, keys and values of new tokens: to the CPU's scratch, or home behind what is `written`. Arrays are
    [cells]; `asked`: the token that begins it.
    """
    layout, parts, layer = scene.layout, share.parts, each.every.layer
    here, ranges = layout.activations[scene.gpu.local_memory], []
    if parts.on_cpu:
        there, _ = scene.model.attention.query_bytes(ACTIVATION_BYTES)
        size = parts.on_cpu * (there + per_token)
        ranges += [Range(here, size, READ, ACTIVATIONS), Range(_scratch(scene), size, WRITE, ACTIVATIONS)]
    if parts.streamed:
        size = parts.streamed * per_token
        home = share.streamed_kv(layer) + parts.streamed * per_token * written
        ranges += [Range(here, size, READ, KV), Range(home, size, WRITE, KV)]
    sent = scene.sheet.new_tokens(len(layer))
    _copy(scene, each, "activations", _TURN * each.number, asked, tuple(ranges), sent, _ATTENTION)
    if parts.on_cpu:
        lane = _cpu_lane(scene)
        place = Place(*each.every, slots.NEAR_ATTENTION, _TURN * each.number)
        scene.sheet.add(WAIT, lane, place, _SYNCHRONISE, token=sent, count=1)


def end_on_cpu(
    scene: Scene, each: Pass, share: HostShare, per_token: Ints, seen: Ints, written: Ints, returned: Ints
) -> None:
    """The CPU attends to its share over `seen` cached tokens, and what it attends to returns. Arrays are [cells];
    `returned`: the token given.
    """
    parts, unit, attention = share.parts, scene.machine.units[_cpu(scene)], scene.model.attention
    model, lane = model_of(unit), _cpu_lane(scene)
    there, back = attention.query_bytes(ACTIVATION_BYTES)
    scratch, kv = _scratch(scene), share.cpu_kv(each.every.layer)

    def place(order: int) -> Place:
        return Place(*each.every, slots.NEAR_ATTENTION, _TURN * each.number + order)

    attends = (
        Range(kv, parts.on_cpu * per_token * seen, READ, KV),
        Range(kv + parts.on_cpu * per_token * written, parts.on_cpu * per_token, WRITE, KV),
        Range(scratch, parts.on_cpu * there, READ, ACTIVATIONS),
        Range(scratch, parts.on_cpu * back, WRITE, ACTIVATIONS),
    )
    busy_ps = model.attention_ps(parts.on_cpu, 1, seen, attention.core)
    purpose = Purpose(_ATTENTION, tokens=parts.on_cpu)
    scene.sheet.add(STREAM, lane, place(1), purpose, setup_ps=model.launch_ps, busy_ps=busy_ps, ranges=attends)
    done = scene.sheet.new_tokens(len(seen))
    scene.sheet.add(SIGNAL, lane, place(2), _SYNCHRONISE, token=done)
    here, size = scene.layout.activations[scene.gpu.local_memory], parts.on_cpu * back
    ranges = Range(scratch, size, READ, ACTIVATIONS), Range(here, size, WRITE, ACTIVATIONS)
    turn = each.number + scene.layout.batching.cpu_ahead
    _copy(scene, each, "activations", _TURN * turn + _BACK, done, ranges, returned, _ATTENTION)


def load(
    scene: Scene, each: Pass, share: HostShare, turns: Turns, sequence_bytes: Ints, free: Ints, arrived: Ints
) -> None:
    """Keys and values of so many bytes a sequence into the buffer, once that is `free`. `free` and `arrived` [cells]:
    the tokens waited for and given.
    """
    size = share.parts.streamed * sequence_bytes
    home = share.streamed_kv(each.every.layer)
    ranges = Range(home, size, READ, KV), Range(turns.buffer(each), size, WRITE, KV)
    _copy(scene, each, "prefetch", _TURN * each.number, free, ranges, arrived, _MOVE_KV)


def _copy(
    scene: Scene, each: Pass, lane: str, order: int, after: Ints, ranges: tuple[Range, ...], then: Ints, purpose: int
) -> None:
    """In every cell of the pass, between a wait for one token and a signal of another."""
    sheet, at = scene.sheet, scene.dma_lane(lane)

    def place(part: int) -> Place:
        return Place(*each.every, slots.NEAR_ATTENTION, order + part)

    sheet.add(WAIT, at, place(0), _SYNCHRONISE, token=after, count=1)
    sheet.add(COPY, at, place(1), Purpose(purpose, tokens=each.tokens), setup_ps=scene.software.copy_ps, ranges=ranges)
    sheet.add(SIGNAL, at, place(2), _SYNCHRONISE, token=then)


def _cpu(scene: Scene) -> str:
    host = scene.layout.host
    assert host is not None
    assert host.cpu is not None  # a share of the CPU was declared
    return host.cpu


def _cpu_lane(scene: Scene) -> int:
    unit = scene.machine.units[_cpu(scene)]
    return scene.machine.lane_id(unit.name, unit.lanes[0])


def _scratch(scene: Scene) -> int:
    assert scene.layout.host is not None
    return scene.layout.activations[scene.layout.host.memory]
