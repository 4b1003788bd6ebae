"""How busy every unit was."""

from __future__ import annotations

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.results.metrics.activity import Activity
from moe_cosim.sim.results.rows import UnitRow


def unit_rows(machine: Machine, activity: Activity) -> list[UnitRow]:
    """Per unit: time in which at least one of its lanes computes or moves data.

    ``decode_utilization_with_copies`` also counts the DMA engine beside it.
    """
    total_ps = activity.total_ps
    decode_ps = total_ps - activity.first_head_ps
    working = activity.working_events.tolist()
    rows = []
    for index, (name, unit) in enumerate(machine.units.items()):
        busy, in_decode = activity.busy.of_unit_ps(name)
        _, with_copies = activity.busy.beside_ps(name)
        rows.append(
            UnitRow(
                name=name,
                kind=unit.kind,
                busy_s=busy / 1e12,
                utilization=busy / total_ps if total_ps else 0.0,
                decode_utilization=in_decode / decode_ps if decode_ps > 0 else 0.0,
                decode_utilization_with_copies=with_copies / decode_ps if decode_ps > 0 else 0.0,
                events=working[index],
            )
        )
    return rows
