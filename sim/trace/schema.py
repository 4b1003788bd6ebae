"""Field numbers of what is written here of Perfetto's protobuf messages.

Source: protos/perfetto/trace/ of google/perfetto v59.1 (trace.proto, trace_packet.proto, track_event/*.proto,
interned_data/interned_data.proto). Tests read files back with the schema of the Python package ``perfetto``.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class TraceFile(IntEnum):
    """The message Trace."""

    PACKET = 1


class TracePacket(IntEnum):
    """The message TracePacket (trace_packet.proto)."""

    TIMESTAMP = 8
    TRUSTED_PACKET_SEQUENCE_ID = 10
    TRACK_EVENT = 11
    INTERNED_DATA = 12
    SEQUENCE_FLAGS = 13
    TRACK_DESCRIPTOR = 60


SEQ_INCREMENTAL_STATE_CLEARED: Final = 1
SEQ_NEEDS_INCREMENTAL_STATE: Final = 2


class TrackDescriptor(IntEnum):
    """The message TrackDescriptor (track_descriptor.proto)."""

    UUID = 1
    NAME = 2
    PARENT_UUID = 5
    COUNTER = 8
    CHILD_ORDERING = 11
    SIBLING_ORDER_RANK = 12
    DESCRIPTION = 14


CHILD_ORDERING_EXPLICIT: Final = 3


class CounterDescriptor(IntEnum):
    """The message CounterDescriptor (counter_descriptor.proto)."""

    UNIT_NAME = 6


class InternedData(IntEnum):
    """The message InternedData (interned_data.proto)."""

    EVENT_CATEGORIES = 1
    EVENT_NAMES = 2
    DEBUG_ANNOTATION_NAMES = 3
    DEBUG_ANNOTATION_STRING_VALUES = 29


class Interned(IntEnum):
    """Of EventCategory, EventName, DebugAnnotationName and InternedString alike."""

    IID = 1
    TEXT = 2


class TrackEvent(IntEnum):
    """The message TrackEvent (track_event.proto)."""

    CATEGORY_IIDS = 3
    DEBUG_ANNOTATIONS = 4
    TYPE = 9
    NAME_IID = 10
    TRACK_UUID = 11
    DOUBLE_COUNTER_VALUE = 44
    FLOW_IDS = 47
    TERMINATING_FLOW_IDS = 48


TYPE_SLICE_BEGIN, TYPE_SLICE_END, TYPE_INSTANT, TYPE_COUNTER = 1, 2, 3, 4


class DebugAnnotation(IntEnum):
    """The message DebugAnnotation (debug_annotation.proto)."""

    NAME_IID = 1
    UINT_VALUE = 3
    STRING_VALUE_IID = 17
