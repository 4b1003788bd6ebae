"""Columns of events in any order become lanes in order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.sim.engines.base import engines
from moe_cosim.workloads.lowering.sheet import EventSheet, Place, Purpose, Range
from moe_cosim.workloads.programs.program import COMPUTE, READ, STREAM, WRITE
from tests.workloads.hand_made import decided, lower_plan, one_layer

LAYERS, STEPS = 3, range(100)
places = st.tuples(
    st.integers(0, 199),  # lane
    st.integers(0, STEPS[-1]),  # step
    st.integers(-1, LAYERS),  # layer
    st.integers(0, 15),  # slot
    st.integers(0, (1 << 22) - 1),  # order
)
LANES = tuple((f"unit{lane}", "main") for lane in range(200))


@settings(deadline=None)  # the first example compiles
@given(st.lists(places, min_size=1, max_size=40))
def test_events_are_sorted_by_lane_then_place(chosen: list[tuple[int, int, int, int, int]]) -> None:
    sheet = EventSheet(LAYERS, STEPS)
    for number, (lane, step, layer, slot, order) in enumerate(chosen):
        sheet.add(COMPUTE, lane, Place(step, layer, slot, order), Purpose(0, tokens=number), busy_ps=number)
    program = sheet.program(LANES, "", {})
    expected = [number for number, _ in sorted(enumerate(chosen), key=lambda pair: pair[1])]
    assert program.events["busy_ps"].tolist() == expected
    assert program.events["lane"].tolist() == [chosen[number][0] for number in expected]
    assert program.tags[program.events["tag"]]["tokens"].tolist() == expected
    program.validate()


def test_columns_broadcast_and_keep_their_accesses() -> None:
    sheet = EventSheet(LAYERS, STEPS)
    steps = np.array([2, 0, 1])
    sheet.add(
        STREAM,
        0,
        Place(steps, 0, 1),
        Purpose(3, expert=np.array([7, 8, 9])),
        setup_ps=5,
        busy_ps=np.array([20, 0, 10]),
        ranges=(Range(100 * steps, 10, READ, 0), Range(1000, steps, WRITE, 1)),
    )
    sheet.add(COMPUTE, 0, Place(np.zeros(0, np.int64), 0, 0), Purpose(0))  # an empty column adds nothing
    program = sheet.program((("gpu", "main"),), "m", {"k": 1})
    assert program.events["busy_ps"].tolist() == [0, 10, 20]
    assert program.events["setup_ps"].tolist() == [5, 5, 5]
    assert program.tags["expert"].tolist() == [8, 9, 7]
    assert program.tags["phase"].tolist() == [0, 1, 1]
    for event, step in zip(program.events, (0, 1, 2), strict=True):
        read, write = program.accesses[event["first_access"] : event["first_access"] + event["accesses"]]
        assert (read["address"], read["bytes"], read["op"], read["what"]) == (100 * step, 10, READ, 0)
        assert (write["address"], write["bytes"], write["op"], write["what"]) == (1000, step, WRITE, 1)
    assert (program.machine, program.meta) == ("m", {"k": 1})


def test_token_ids_are_given_out_once() -> None:
    sheet = EventSheet(LAYERS, STEPS)
    assert [*sheet.new_tokens(3), *sheet.new_tokens(0), *sheet.new_tokens(2)] == [0, 1, 2, 3, 4]


def test_columns_of_one_slot_are_merged_by_order() -> None:
    """In every cell, whatever rows come first in their columns; equal orders in the order of columns."""
    sheet, draw = EventSheet(LAYERS, range(3, 7)), np.random.default_rng(0)
    expected = []
    for column, size in enumerate((1, 40, 7, 300, 2)):
        step, layer, order = draw.integers(3, 7, size), draw.integers(-1, LAYERS + 1, size), draw.integers(0, 20, size)
        sheet.add(COMPUTE, 4, Place(step, layer, 5, order), Purpose(0, expert=column), busy_ps=np.arange(size))
        expected += [(*place, column, row) for row, place in enumerate(zip(step, layer, order, strict=True))]
    program = sheet.program(LANES, "", {})
    found = zip(
        program.tags["step"], program.tags["layer"], program.tags["expert"], program.events["busy_ps"], strict=True
    )
    assert list(found) == [(step, layer, column, row) for step, layer, _, column, row in sorted(expected)]


@pytest.mark.parametrize(
    "place",
    [
        Place(0, 0, 1 << 14),
        Place(0, 0, 0, 1 << 40),
        Place(0, 0, 0, -1),
        Place(0, LAYERS + 1, 0),
        Place(0, -2, 0),
        Place(100, 0, 0),
    ],
)
def test_a_place_that_the_sheet_does_not_have_is_an_error(place: Place) -> None:
    sheet = EventSheet(LAYERS, STEPS)
    sheet.add(COMPUTE, 0, place, Purpose(0))
    with pytest.raises(ValueError, match="has no room for"):
        sheet.program(LANES, "", {})


def test_an_array_of_another_length_than_its_column_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"an array of shape \(3,\) in a column of 2 events"):
        EventSheet(LAYERS, STEPS).add(COMPUTE, 0, Place(np.arange(2), 0, 0), Purpose(0), busy_ps=np.arange(3))


def test_a_machine_of_very_many_lanes() -> None:
    experts = 140
    routed = one_layer([(expert,) for expert in range(experts)], [], experts)
    found = decided(routed, "cxl-ndp", {"gpu_experts": 0}, machine_set={"devices.ndp.count": experts})
    program = lower_plan(found.scenario, found.plan)
    program.validate()
    timeline = engines.get("embedded")().run(found.scenario.machine, program)
    assert timeline.total_ps > 0
    assert len(np.unique(program.events["lane"])) == 2 + experts
