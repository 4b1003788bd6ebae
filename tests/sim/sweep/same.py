"""Comparing stores point by point, to the last bit."""

from __future__ import annotations

import os
from typing import Any

from moe_cosim.sim.sweep.store import parts
from moe_cosim.sim.sweep.store.record import DamagedError
from moe_cosim.sim.sweep.store.store import Store


def contents(store: Store) -> dict[str, dict[str, Any]]:
    """Every finished point without what differs from run to run. Fails on a damaged or doubled one."""
    found: dict[str, dict[str, Any]] = {}
    for point_id, record in store.records():
        assert not isinstance(record, DamagedError), point_id
        assert point_id not in found
        found[point_id] = record.repeatable()
    for path in parts.whole(store.path / "parts"):
        for record in parts.records(path):
            assert record.point_id not in found
            found[record.point_id] = record.repeatable()
    return found


def left_aside(store: Store) -> list[str]:
    return os.listdir(store.path / "aside")
