"""Texts that packets refer to by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.sim.trace import wire
from moe_cosim.sim.trace.schema import SEQ_INCREMENTAL_STATE_CLEARED, Interned, InternedData, TraceFile, TracePacket
from moe_cosim.workloads.programs.program import KINDS, PURPOSES, SIGNAL

_NAMED_BY: Final = ("synchronises", "purpose", "layer", "expert", "weight_bits")


def event_names(kind: NDArray[np.uint8], tags: NDArray[np.void]) -> tuple[list[str], NDArray[np.int64]]:
    """The distinct names of events [E] of these kinds and tags, and which of them each has."""
    columns = [np.where(kind >= SIGNAL, kind, 0), *(tags[field] for field in _NAMED_BY[1:])]
    code = np.zeros(len(kind), np.int64)
    for column in columns:
        lowest = int(column.min(initial=0))
        code = code * (int(column.max(initial=0)) - lowest + 1) + column.astype(np.int64) - lowest
    _, rows, which = np.unique(code, return_index=True, return_inverse=True)
    return [_name(*(int(column[row]) for column in columns)) for row in rows], which


def _name(synchronises: int, purpose: int, layer: int, expert: int, bits: int) -> str:
    parts = [KINDS[synchronises]] if synchronises else []
    parts.append(PURPOSES[purpose])
    parts += [f"layer {layer}"] if layer >= 0 else []
    parts += [f"expert {expert}"] if expert >= 0 else []
    parts += [f"{bits} bits"] if bits else []
    return " · ".join(parts)


def interned(tables: Mapping[InternedData, Sequence[str]]) -> bytes:
    """The packet that defines every text of the tables; each is numbered from 1."""
    entries = [
        wire.message(table, wire.number(Interned.IID, number), wire.text(Interned.TEXT, name))
        for table, names in tables.items()
        for number, name in enumerate(names, 1)
    ]
    return wire.message(
        TraceFile.PACKET,
        wire.number(TracePacket.TRUSTED_PACKET_SEQUENCE_ID, 1),
        wire.message(TracePacket.INTERNED_DATA, *entries),
        wire.number(TracePacket.SEQUENCE_FLAGS, SEQ_INCREMENTAL_STATE_CLEARED),
    )
