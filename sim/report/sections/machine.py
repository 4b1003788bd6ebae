"""What ran: the machine, the precision of every part, the assumptions."""

from __future__ import annotations

from moe_cosim.sim.display.names import component, words
from moe_cosim.sim.report.machine_drawing import drawn
from moe_cosim.sim.report.machine_graph import machine_graph
from moe_cosim.sim.report.parts import Drawing, Part, TextTable
from moe_cosim.sim.report.reported import ReportedRun
from moe_cosim.sim.results.energy.components import group_names

TITLE = "What ran"
READS = (
    "Devices stand below each other by how far they are from the unit that computes the dense part. Shares are "
    "utilizations over the whole run: of a unit the time in which a lane of it works, of a memory or link what it "
    "moved of what it could. Where a device is there several times, their mean, and in brackets the least and the most."
)


def parts(run: ReportedRun) -> list[Part]:
    """The drawing, and the table of precisions."""
    graph = machine_graph(run.machine, run.result)
    says = f"The machine {run.result.machine}: " + "; ".join(
        f"{component(device.name)}: " + ", ".join(f"{component(part.name)} {part.use.text}" for part in device.parts)
        for device in graph.devices
        if device.parts
    )
    return [Drawing(f"{run.result.machine}, and how much of it was used", drawn(graph, says)), _precisions(run)]


def _precisions(run: ReportedRun) -> TextTable:
    names = group_names(run.machine)
    rows = dict.fromkeys(
        (
            words(row.part),
            component(names.get(row.unit, row.unit)) if row.unit else "stored",
            row.format,
            f"{row.bits_per_weight:.3g}",
            row.computed_as or "–",
        )
        for row in run.result.precisions
    )
    headings = ["Part of the model", "Unit", "Format", "#Bits per weight", "Multiplied as"]
    return TextTable("Precision of every part", headings, list(rows))
