"""From a cost model's sums to how long every layer takes, and where its time goes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from moe_cosim.hw_models.units.kinds import Role
from moe_cosim.sim.engines.makespan.cost_model import CostModel, Loads
from moe_cosim.sim.engines.makespan.layers import AFTER, BEFORE, EXPERTS, MOVE, Ints, LayerEvents
from moe_cosim.sim.engines.timeline import COMPUTE_BOUND, TRAFFIC_BOUND, Timeline


class LayerTimes(NamedTuple):
    """ps of every cell, [cells]. A layer takes its three stages, or as long as a copy engine needs for all its
    copies.
    """

    before: Ints
    experts: Ints
    whole: Ints


class Evaluated(NamedTuple):
    """What the sums of a cost model come to."""

    times: LayerTimes
    path_ps: Ints
    """[W] what each event adds to the whole."""
    place_ps: Ints
    """[W] how long it keeps its unit: a kernel that waits for its fetch all of that."""


def evaluate(layers: LayerEvents, model: CostModel) -> Evaluated:
    """Before the gate a layer takes what the main unit does, then copies, then the slowest of the units beside it;
    its experts the largest of the model's sums; then what the main unit does with their results."""
    loads = model.loads(layers)
    units, cell = len(layers.machine.units), layers.cell
    copying = layers.in_role(Role.COPY)
    place_ps = _places(layers, loads)
    path_ps = np.zeros(len(cell), np.int64)

    def summed(events: Ints, unit: Ints, time_ps: Ints) -> Ints:
        """[cells, units]"""
        found = np.zeros((layers.cells, units), np.int64)
        np.add.at(found, (cell[events], unit), time_ps)
        return found

    def slowest_of(stage: int) -> Ints:
        """The main unit and copies one after the other, then the slowest of the others; added to `path_ps`."""
        events = np.flatnonzero(layers.stage == stage)
        unit, took_ps = layers.unit[events], layers.took_ps[events]
        sums = summed(events, unit, took_ps)
        in_turn = copying.copy()
        in_turn[layers.main] = True
        beside = np.where(in_turn, -1, sums)
        slowest = beside.argmax(axis=1)
        counted = in_turn[unit] | (unit == slowest[cell[events]])
        path_ps[events[counted]] += took_ps[counted]
        return np.asarray(sums[:, in_turn].sum(axis=1) + np.maximum(beside.max(axis=1), 0))

    before, after = slowest_of(BEFORE), slowest_of(AFTER)
    sums = summed(*loads)
    experts = sums.max(axis=1)
    counted = loads.unit == sums.argmax(axis=1)[cell[loads.event]]
    np.add.at(path_ps, loads.event[counted], loads.time_ps[counted])
    whole = before + experts + after
    copies = np.flatnonzero(layers.copies)
    engines = summed(copies, layers.unit[copies], place_ps[copies])
    longer = np.maximum(engines.max(axis=1, initial=0) - whole, 0)
    ends = copies[layers.unit[copies] == engines.argmax(axis=1)[cell[copies]]]
    last = np.full(layers.cells, -1, np.int64)
    last[cell[ends]] = ends
    late = np.flatnonzero(longer)
    path_ps[last[late]] += longer[late]
    return Evaluated(LayerTimes(before, experts, whole + longer), path_ps, place_ps)


def _places(layers: LayerEvents, loads: Loads) -> Ints:
    """[W]; of copies that the model counts nowhere 0, but for those of weights that hide in the layer."""
    own = loads.unit == layers.unit[loads.event]
    counted = np.zeros(len(layers.row), np.int64)
    np.maximum.at(counted, loads.event[own], loads.time_ps[own])
    named = np.zeros(len(layers.row), np.bool_)
    named[loads.event] = True
    kept = (layers.stage != EXPERTS) | (layers.copies & (named | (layers.purpose == MOVE)))
    return np.where(kept, layers.took_ps, counted)


def placed(layers: LayerEvents, found: Evaluated, start_ps: int) -> tuple[Timeline, int]:
    """Events one after the other in their stages, from `start_ps` on, and when the last cell ends. In a layer nothing
    but the sums is meant."""
    before, experts, whole = found.times
    ends = start_ps + np.cumsum(whole)
    begins = ends - whole
    unit, cell, stage = layers.unit, layers.cell, layers.stage
    starts = np.stack([begins, begins + before, begins + before + experts])[stage, cell]
    beside = (stage == BEFORE) & (unit != layers.main)
    group = (cell * 3 + np.where(layers.copies, EXPERTS, stage)) * len(layers.machine.units) + unit
    by = np.argsort(group, kind="stable")
    until = np.cumsum(found.place_ps[by])
    fresh = np.diff(group[by], prepend=-1) != 0
    first = np.maximum.accumulate(np.where(fresh, np.arange(len(by)), 0))
    offset = np.empty_like(until)
    offset[by] = until - found.place_ps[by] - (until - found.place_ps[by])[first]
    total = np.bincount(group, weights=found.place_ps)[group].astype(np.int64)
    starts[beside] = (begins + before)[cell[beside]] - total[beside]
    room = whole[cell] - total
    starts = np.where(layers.copies, begins[cell] + np.minimum(before[cell], room), starts)
    return _timeline(layers, found, starts + offset, start_ps), int(ends[-1]) if len(ends) else start_ps


def _timeline(layers: LayerEvents, found: Evaluated, begins: Ints, start_ps: int) -> Timeline:
    """Of all events: signals and waits take no time, at the end of what was before them in their lane."""
    events = layers.program.events
    bound = np.full(len(events), COMPUTE_BOUND, np.uint8)
    floor_ps = (events["setup_ps"] + events["busy_ps"]).astype(np.int64)[layers.row]
    longest_ps = np.maximum(layers.took_ps, found.place_ps)
    bound[layers.row] = np.where(longest_ps > floor_ps, TRAFFIC_BOUND, COMPUTE_BOUND)
    end_ps = np.full(len(events), start_ps, np.int64)
    end_ps[layers.row] = begins + found.place_ps
    for first, last in zip(layers.program.lane_starts[:-1], layers.program.lane_starts[1:], strict=True):
        end_ps[first:last] = np.maximum.accumulate(end_ps[first:last])
    begin_ps, path_ps = end_ps.copy(), np.zeros(len(events), np.int64)
    begin_ps[layers.row], path_ps[layers.row] = begins, found.path_ps
    return Timeline(begin_ps, end_ps, bound, np.full(len(events), -1, np.int64), path_ps)
