"""The compiled encoder of the many packets: slices, instants and counters.

A chunk is written from its end to its beginning, so that the length of a message is known when it is to be written
before it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part
from moe_cosim.sim.trace.schema import (
    SEQ_NEEDS_INCREMENTAL_STATE,
    TYPE_COUNTER,
    TYPE_INSTANT,
    TYPE_SLICE_BEGIN,
    TYPE_SLICE_END,
    DebugAnnotation,
    TraceFile,
    TracePacket,
    TrackEvent,
)
from moe_cosim.sim.trace.wire import FIXED64, LENGTH, VARINT, key

PACKET_BYTES: Final = 192
"""No packet is longer, its flow ids aside."""
FLOW_BYTES: Final = 10
"""Of a flow id with its key."""

SEQUENCE: Final = 1
"""All packets are of one sequence."""

_PACKET: Final = key(TraceFile.PACKET, LENGTH)
_TIMESTAMP: Final = key(TracePacket.TIMESTAMP, VARINT)
_SEQUENCE: Final = key(TracePacket.TRUSTED_PACKET_SEQUENCE_ID, VARINT)
_FLAGS: Final = key(TracePacket.SEQUENCE_FLAGS, VARINT)
_TRACK_EVENT: Final = key(TracePacket.TRACK_EVENT, LENGTH)
_TYPE: Final = key(TrackEvent.TYPE, VARINT)
_TRACK: Final = key(TrackEvent.TRACK_UUID, VARINT)
_CATEGORY: Final = key(TrackEvent.CATEGORY_IIDS, VARINT)
_NAME: Final = key(TrackEvent.NAME_IID, VARINT)
_VALUE: Final = key(TrackEvent.DOUBLE_COUNTER_VALUE, FIXED64)
_LEAVING: Final = key(TrackEvent.FLOW_IDS, FIXED64)
_ARRIVING: Final = key(TrackEvent.TERMINATING_FLOW_IDS, FIXED64)
_ANNOTATION: Final = key(TrackEvent.DEBUG_ANNOTATIONS, LENGTH)
_ANNOTATION_NAME: Final = key(DebugAnnotation.NAME_IID, VARINT)
_ANNOTATION_NUMBER: Final = key(DebugAnnotation.UINT_VALUE, VARINT)
_ANNOTATION_TEXT: Final = key(DebugAnnotation.STRING_VALUE_IID, VARINT)

EVENT, STEP, TOKENS, BYTES, BOUND, LANE = range(1, 7)
"""Interned ids of the names of annotations."""


class Packets(NamedTuple):
    """What is to be written, [packets] in order of time. `row` is that of the slice, or of the counter's sample."""

    time_ns: NDArray[np.int64]
    type_: NDArray[np.uint8]
    row: NDArray[np.int64]


class Samples(NamedTuple):
    """Of counters, [samples]."""

    track: NDArray[np.uint32]
    value_bits: NDArray[np.uint64]
    """Of the double."""


class Arrows(NamedTuple):
    """Flow ids by slice: those that leave slice i are ``leaving[first_leaving[i] : first_leaving[i + 1]]``."""

    first_leaving: NDArray[np.int64]
    leaving: NDArray[np.int64]
    first_arriving: NDArray[np.int64]
    arriving: NDArray[np.int64]


@compiled
def encode(
    packets: Packets,
    first: int,
    past: int,
    slices: NDArray[np.void],
    samples: Samples,
    arrows: Arrows,
    buffer: NDArray[np.uint8],
) -> int:
    """Write the packets [first, past) to the end of `buffer`; where they begin in it. It must have room for all.
    `slices` [slices] of records, `buffer` [bytes].
    """
    at = len(buffer)
    for index in range(past - 1, first - 1, -1):
        packet_end = at
        row, type_ = packets.row[index], packets.type_[index]
        if type_ == TYPE_COUNTER:
            at = _counter(buffer, at, samples.track[row], samples.value_bits[row])
        elif type_ == TYPE_SLICE_END:
            at = _flows(
                buffer, at, _ARRIVING, arrows.arriving, arrows.first_arriving[row], arrows.first_arriving[row + 1]
            )
        else:
            at = _begin(buffer, at, slices[row])
            if type_ == TYPE_INSTANT:
                at = _flows(
                    buffer, at, _LEAVING, arrows.leaving, arrows.first_leaving[row], arrows.first_leaving[row + 1]
                )
        if type_ != TYPE_COUNTER:
            at = _number(buffer, at, _TRACK, slices[row].track)
        at = _number(buffer, at, _TYPE, type_)
        at = _length(buffer, at, _TRACK_EVENT, packet_end)
        if type_ in (TYPE_SLICE_BEGIN, TYPE_INSTANT):
            at = _number(buffer, at, _FLAGS, SEQ_NEEDS_INCREMENTAL_STATE)
        at = _number(buffer, at, _SEQUENCE, SEQUENCE)
        at = _number(buffer, at, _TIMESTAMP, packets.time_ns[index])
        at = _length(buffer, at, _PACKET, packet_end)
    return at


@compiled_part
def _counter(buffer: NDArray[np.uint8], end: int, track: int, value_bits: int) -> int:
    return _number(buffer, _fixed(buffer, end, _VALUE, value_bits), _TRACK, track)


@compiled_part
def _begin(buffer: NDArray[np.uint8], end: int, slice_: Any) -> int:
    """Name, categories and annotations; what is 0 is left out."""
    at = end
    if slice_.lane:
        at = _annotation(buffer, at, LANE, _ANNOTATION_TEXT, slice_.lane)
    if slice_.bound:
        at = _annotation(buffer, at, BOUND, _ANNOTATION_TEXT, slice_.bound)
    if slice_.bytes:
        at = _annotation(buffer, at, BYTES, _ANNOTATION_NUMBER, slice_.bytes)
    if slice_.tokens:
        at = _annotation(buffer, at, TOKENS, _ANNOTATION_NUMBER, slice_.tokens)
    at = _annotation(buffer, at, STEP, _ANNOTATION_NUMBER, slice_.step)
    at = _annotation(buffer, at, EVENT, _ANNOTATION_NUMBER, slice_.event)
    at = _number(buffer, at, _CATEGORY, slice_.phase)
    at = _number(buffer, at, _CATEGORY, slice_.kind)
    return _number(buffer, at, _NAME, slice_.name)


@compiled_part
def _annotation(buffer: NDArray[np.uint8], end: int, name: int, form: int, value: int) -> int:
    at = _number(buffer, _number(buffer, end, form, value), _ANNOTATION_NAME, name)
    return _length(buffer, at, _ANNOTATION, end)


@compiled_part
def _flows(buffer: NDArray[np.uint8], end: int, field: int, ids: NDArray[np.int64], first: int, past: int) -> int:
    at = end
    for index in range(first, past):
        at = _fixed(buffer, at, field, ids[index])
    return at


@compiled_part
def _length(buffer: NDArray[np.uint8], at: int, field: int, end: int) -> int:
    """Before a message that lies in [at, end)."""
    return _number(buffer, at, field, end - at)


@compiled_part
def _number(buffer: NDArray[np.uint8], end: int, field: int, value: int) -> int:
    return _varint(buffer, _varint(buffer, end, value), field)


@compiled_part
def _fixed(buffer: NDArray[np.uint8], end: int, field: int, value: int) -> int:
    for byte in range(8):
        buffer[end - 8 + byte] = (np.uint64(value) >> np.uint64(8 * byte)) & np.uint64(0xFF)
    return _varint(buffer, end - 8, field)


@compiled_part
def _varint(buffer: NDArray[np.uint8], end: int, value: int) -> int:
    rest, size = np.uint64(value), 1
    while rest > np.uint64(0x7F):
        rest >>= np.uint64(7)
        size += 1
    rest = np.uint64(value)
    for byte in range(size):
        more = 0x80 if byte < size - 1 else 0
        buffer[end - size + byte] = (rest & np.uint64(0x7F)) | np.uint64(more)
        rest >>= np.uint64(7)
    return end - size
