"""A trace read back by Perfetto's own schema."""

from __future__ import annotations

import gzip
import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4


@dataclass
class ReadSlice:
    """A slice or, where it ends as it begins, perhaps an instant."""

    name: str
    categories: list[str]
    begin_ns: int
    notes: dict[str, int | str]
    end_ns: int = -1


@dataclass
class ReadTrace:
    """What a viewer sees. Reading it checks what holds of every trace."""

    slices: dict[str, list[ReadSlice]] = field(default_factory=lambda: defaultdict(list))
    """By track, as ``group/name``."""
    counters: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    arrows: list[tuple[tuple[str, int], tuple[str, int]]] = field(default_factory=list)
    """(Track, ns) of both ends."""
    packets: int = 0

    def moved(self, counter: str) -> float:
        """The integral of a rate."""
        values = self.counters[counter]
        assert values[-1][1] == 0
        return sum(value * (b - a) for (a, value), (b, _) in itertools.pairwise(values)) / 1e9


def read_back(path: Path) -> ReadTrace:
    """Checks the order of time, pairs of begins and ends, that texts and tracks are said before they are used, and
    that each arrow has two ends."""
    schema = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    found, texts, tracks, time_ns = ReadTrace(), defaultdict(dict), {}, 0
    open_slices: dict[int, ReadSlice] = {}
    leaving: dict[int, tuple[str, int]] = {}
    for packet in schema.Trace.FromString(data).packet:
        assert not packet.DiscardUnknownFields()
        if packet.HasField("track_descriptor"):
            said = packet.track_descriptor
            assert said.uuid not in tracks
            tracks[said.uuid] = f"{tracks[said.parent_uuid]}/{said.name}" if said.parent_uuid else said.name
            if said.HasField("counter"):
                found.counters[tracks[said.uuid]] = []
        for kind, entries in packet.interned_data.ListFields():
            for entry in entries:
                assert entry.iid not in texts[kind.name]
                texts[kind.name][entry.iid] = getattr(entry, "name", None) or entry.str.decode()
        if not packet.HasField("track_event"):
            continue
        found.packets += 1
        assert packet.timestamp >= time_ns
        time_ns, event = packet.timestamp, packet.track_event
        place = (tracks[event.track_uuid], time_ns)
        if event.type == COUNTER:
            assert place[0] in found.counters
            found.counters[place[0]].append((time_ns, event.double_counter_value))
            continue
        if event.type in (BEGIN, INSTANT):
            assert event.track_uuid not in open_slices
            notes: dict[str, Any] = {}
            for note in event.debug_annotations:
                name = texts["debug_annotation_names"][note.name_iid]
                text = texts["debug_annotation_string_values"].get(note.string_value_iid)
                notes[name] = note.uint_value if note.HasField("uint_value") else text
            assert None not in notes.values()
            categories = [texts["event_categories"][iid] for iid in event.category_iids]
            slice_ = ReadSlice(texts["event_names"][event.name_iid], categories, time_ns, notes)
            found.slices[place[0]].append(slice_)
            open_slices[event.track_uuid] = slice_
        if event.type in (END, INSTANT):
            open_slices.pop(event.track_uuid).end_ns = time_ns
        for flow in event.flow_ids:
            assert flow not in leaving
            leaving[flow] = place
        for flow in event.terminating_flow_ids:
            found.arrows.append((leaving.pop(flow), place))
    assert not open_slices
    assert not leaving
    return found
