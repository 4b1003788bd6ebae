"""The kinds of measurement that ``moe-cosim validate`` knows."""

from __future__ import annotations

from typing import Final

from moe_cosim.sim.validate import cxl, dram, flash, kernels, llm, systems
from moe_cosim.sim.validate.kind import MeasurementKind

KINDS: Final[dict[str, MeasurementKind]] = {
    kind.name: kind
    for kind in (
        MeasurementKind(
            "kernels",
            "fused expert kernels of one layer on a GPU",
            kernels.REQUIRED,
            kernels.OPTIONAL,
            kernels.compare,
        ),
        MeasurementKind(
            "systems",
            "rates and times of whole systems, each an experiment",
            systems.REQUIRED,
            systems.OPTIONAL,
            systems.compare,
            ranked_within="group",
        ),
        MeasurementKind(
            "llm",
            "latency and throughput of a steady batch served by one GPU",
            llm.REQUIRED,
            llm.OPTIONAL,
            llm.compare,
            assumptions=(llm.PROMPT_TOKENS,),
        ),
        MeasurementKind(
            "cxl",
            "loaded latency and bandwidth of CXL and DDR5 memory",
            cxl.REQUIRED,
            cxl.OPTIONAL,
            cxl.compare,
        ),
        MeasurementKind(
            "dram",
            "bandwidth and latency of one DRAM channel, from a cycle-level simulator or an instrument",
            dram.REQUIRED,
            dram.OPTIONAL,
            dram.compare,
        ),
        MeasurementKind(
            "flash",
            "bandwidth of an NVMe drive by block length, queue depth and share of reads",
            flash.REQUIRED,
            flash.OPTIONAL,
            flash.compare,
        ),
    )
}
"""By name. A kind's shipped data are the CSV files of ``data/NAME``."""
