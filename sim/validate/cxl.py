"""Loaded latency of CXL and DDR5 memory: bandwidth at saturation, idle latency, and latency under each row's load.

Of the expander both by the closed form and by the embedded engine, whose metrics end in "(engine)".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from moe_cosim.sim.validate.compared import ComparedRow, Refused
from moe_cosim.sim.validate.csv_rows import FITTED, CsvRow
from moe_cosim.sim.validate.engine_servers import EngineCurve, engine_curve
from moe_cosim.sim.validate.kind import Choices, Comparison, NoPredictionError
from moe_cosim.sim.validate.memory_servers import PLACES, ServedMemory, requesters

REQUIRED: Final = ("server", "cpu_node", "cores", "mlc_w", "random", "inject_delay", "latency_ns", "bandwidth_MBps")
OPTIONAL: Final = ("note",)

READ_SHARES: Final = {"0": 1.0, "2": 2 / 3, "5": 1 / 2}
"""Bytes read of all, by Intel MLC's option -W (Intel MLC's manual)."""

_GB: Final = 1e9
_PS_PER_NS: Final = 1e3


def compare(rows: Sequence[CsvRow], _: Choices) -> Comparison:
    """Raises `InputError` for numbers that are none.

    A curve is the rows that differ in delay, latency and bandwidth alone. Its highest bandwidth is its saturation if
    it has a row without delay; its lowest is idle if it has several rows. All others say the latency under their own
    bandwidth. The engine's follow, where the place has a
    link and the core that measures waits with the others.
    """
    curves: dict[tuple[str, ...], list[_Point]] = {}
    refused: list[Refused] = []
    for row in rows:
        try:
            point = _Point(row)
        except NoPredictionError as why:
            refused.append(Refused("cxl", row, str(why)))
            continue
        curves.setdefault(point.curve, []).append(point)
    compared: list[ComparedRow] = []
    for points in curves.values():
        low, high = (pick(points, key=lambda point: point.bytes_per_s) for pick in (min, max))
        saturates = any(point.delay == 0 for point in points)
        if saturates:
            compared.append(high.saturation())
        metrics = ["idle latency" if point is low and point is not high else "loaded latency" for point in points]
        compared.extend(point.latency(metric) for point, metric in zip(points, metrics, strict=True))
        curve = high.engine()
        if curve is not None:
            if saturates:
                compared.append(high.saturation(curve))
            compared.extend(point.latency(metric, curve) for point, metric in zip(points, metrics, strict=True))
    return compared, refused


class _Point:
    """A row, and what is predicted of it. Raises `InputError`, and `NoPredictionError` where there is no model."""

    def __init__(self, row: CsvRow) -> None:
        if row.text("random") not in ("0", "1"):
            raise row.error("random", "0 or 1")
        self.delay = 0.0 if row.text("inject_delay") == "0" else row.positive("inject_delay")
        self.measured_ns = row.positive("latency_ns")
        self.bytes_per_s = row.positive("bandwidth_MBps") * 1e6
        self.random = row.text("random") == "1"
        self._by = requesters(row.count("cores"), self.random)
        if row.text("mlc_w") not in READ_SHARES:
            raise NoPredictionError(f"mlc_w {row.text('mlc_w')}: known are {', '.join(READ_SHARES)}")
        node = 0 if row.text("cpu_node") == "0" else row.count("cpu_node")
        place = PLACES.get((row.text("server"), node))
        if place is None:
            raise NoPredictionError(f"no model of node {node} of server {row.text('server')!r}")
        self._place, self._read_share = place, READ_SHARES[row.text("mlc_w")]
        self._memory = place.memory(self._read_share)
        self.curve = tuple(row.text(name) for name in REQUIRED[:5])
        self._row = self._marked(row, place)

    def _marked(self, row: CsvRow, place: ServedMemory) -> CsvRow:
        seen = (int(row.text("mlc_w")), self.random) in place.fitted
        return replace(row, cells={**row.cells, FITTED: "true"}) if seen else row

    def engine(self) -> EngineCurve | None:
        """What the embedded engine says of the place; None where it has no link, or nothing that all wait for."""
        if self._place.protocol is None or self._place.queue_lines == 0:
            return None
        return engine_curve(self._place, self._by, self._read_share)

    def saturation(self, engine: EngineCurve | None = None) -> ComparedRow:
        predicted = engine.saturated_bytes_per_s if engine else self._memory.saturated_bytes_per_s(self._by)
        return self._compared(_metric("saturated bandwidth", engine), "GB/s", predicted / _GB, self.bytes_per_s / _GB)

    def latency(self, metric: str, engine: EngineCurve | None = None) -> ComparedRow:
        load = self.bytes_per_s
        predicted_ps = engine.latency_at_ps(load) if engine else self._memory.latency_ps(load, self._by)
        return self._compared(_metric(metric, engine), "ns", predicted_ps / _PS_PER_NS, self.measured_ns)

    def _compared(self, metric: str, unit: str, predicted: float, measured: float) -> ComparedRow:
        server, node, _, mix, _ = self.curve
        order = "random" if self.random else "sequential"
        groups = {
            "server": server,
            "place": f"{server}, node {node}",
            "mix": f"{server}, {_MIXES[mix]}, {order}",
        }
        what = f"{server}, node {node}, {_MIXES[mix]}, {order}, {self.bytes_per_s / _GB:.1f} GB/s"
        return ComparedRow("cxl", self._row, what, metric, unit, predicted, measured, groups)


def _metric(name: str, engine: EngineCurve | None) -> str:
    return f"{name} (engine)" if engine else name


_MIXES: Final = {"0": "reads", "2": "two reads for a write", "5": "a read for a write"}
