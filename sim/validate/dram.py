"""One DRAM channel: what the timing model achieves on an access pattern beside what was simulated or measured."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

from moe_cosim.errors import InputError
from moe_cosim.hw_models.dram_timing.ask import ask
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.idle import ROWS, idle_latency_ns
from moe_cosim.hw_models.dram_timing.pattern import AccessPattern
from moe_cosim.hw_models.dram_timing.standard import DramStandard, read_standard, timed
from moe_cosim.sim.validate.compared import ComparedRow, Refused
from moe_cosim.sim.validate.csv_rows import CsvRow
from moe_cosim.sim.validate.kind import Choices, Comparison, NoPredictionError

REQUIRED: Final = (
    "standard",
    "preset",
    "pattern",
    "streams",
    "block_bytes",
    "read_fraction",
    "refresh",
    "mapping",
    "read_q",
    "achieved_GBps",
    "avg_read_latency_ns",
)
_ROW_COUNTS: Final = ("row_hits", "row_misses", "row_conflicts")
OPTIONAL: Final = (
    "scheduler",
    "row_policy",
    "write_q",
    *_ROW_COUNTS,
    # derived from the others, and not looked at
    "channel_peak_GBps",
    "efficiency",
    "channels",
)
_SCHEDULERS: Final = {"": "row-hit-first", "FRFCFSRowHit": "row-hit-first", "FRFCFS": "ready-first"}
_ROW_POLICIES: Final = {"": "open", "Open": "open", "ClosedCAP1": "closed"}
_IDLE: Final = "idle_row_"
_BLOCKS: Final = ("seq_read", "seq_write", "rand_read_64", "rand_write_64", "rand_block_read", "rand_block_write")
_STREAMS: Final = ("streams_", "mix_")
_SAME_BANK: Final = "samebank"


def compare(rows: Sequence[CsvRow], choices: Choices) -> Comparison:
    """A row may hold a bandwidth, a read latency or both. Raises `InputError` for numbers that are none."""
    compared: list[ComparedRow] = []
    refused: list[Refused] = []
    for place, row in enumerate(rows):
        measured = {
            (name, unit): row.positive(column)
            for name, unit, column in (
                ("bandwidth", "GB/s", "achieved_GBps"),
                ("read latency", "ns", "avg_read_latency_ns"),
            )
            if row.text(column)
        }
        try:
            standard = standard_of(row)
            predicted = _predicted(row, standard)
        except (NoPredictionError, InputError) as why:
            if isinstance(why, InputError) and why.where == str(row.file):
                raise  # a number that is none
            refused.append(Refused("dram", row, str(why)))
            continue
        groups = {name: row.text(column) for name, column in _GROUPS.items()}
        what = f"{row.text('preset')}, {row.text('pattern')}, {row.text('mapping')}, queue of {row.text('read_q')}"
        notes = () if standard.validated else (f"{standard.title} is unvalidated",)
        for (name, unit), value in measured.items():
            if name in predicted:
                compared.append(ComparedRow("dram", row, what, name, unit, predicted[name], value, groups, notes))
        if choices.progress is not None:
            choices.progress(place + 1, len(rows))
    return compared, refused


_GROUPS: Final = {
    "standard": "preset",
    "pattern": "pattern",
    "mapping": "mapping",
    "queue": "read_q",
    "refresh": "refresh",
}


@cache
def _standards() -> dict[str, str]:
    """Names of the catalogue by what a row may call them."""
    found = {}
    for entry in timed():
        for name in (entry.name, *read_standard(entry.name).names):
            found[name.lower()] = entry.name
    return found


@cache
def _read(name: str) -> DramStandard:
    return read_standard(name)


def standard_of(row: CsvRow) -> DramStandard:
    """Raises `NoPredictionError` for one that the catalogue has no timings of."""
    called = row.text("preset") or row.text("standard")
    name = _standards().get(called.lower())
    if name is None:
        raise NoPredictionError(f"no timings of the catalogue are {called!r}")
    return _read(name)


def _predicted(row: CsvRow, standard: DramStandard) -> dict[str, float]:
    """By metric, in the units of `compare`."""
    pattern = row.text("pattern")
    if pattern.startswith(_IDLE):
        if pattern.removeprefix(_IDLE) not in ROWS:
            raise NoPredictionError(f"the pattern {pattern!r} is not known")
        return {"read latency": idle_latency_ns(standard, pattern.removeprefix(_IDLE))}
    found = ask(*asked(row, standard))
    latency = {"read latency": found.read_latency_ns} if found.read_latency_ns else {}
    return {"bandwidth": found.bytes_per_s / 1e9, **latency}


def asked(row: CsvRow, standard: DramStandard) -> tuple[DramStandard, Controller, AccessPattern]:
    """What a row of a pattern is about. Raises `NoPredictionError` for a pattern or controller that is not known."""
    return standard, _controller(row), _pattern(row, standard)


def _controller(row: CsvRow) -> Controller:
    for column, known in (("scheduler", _SCHEDULERS), ("row_policy", _ROW_POLICIES)):
        if row.text(column) not in known:
            raise NoPredictionError(f"the {column} {row.text(column)!r} is not known")
    reads = row.count("read_q")
    return Controller(
        mapping=row.text("mapping"),
        read_queue=reads,
        write_queue=row.count("write_q") if row.text("write_q") else reads,
        page_policy=_ROW_POLICIES[row.text("row_policy")],
        scheduler=_SCHEDULERS[row.text("scheduler")],
        refresh=row.text("refresh"),
    )


def _pattern(row: CsvRow, standard: DramStandard) -> AccessPattern:
    """Of as many accesses as the row counts of rows, or the default's bytes."""
    pattern = row.text("pattern")
    if pattern not in _BLOCKS and not pattern.startswith(_STREAMS):
        raise NoPredictionError(f"the pattern {pattern!r} is not known")
    block = row.count("block_bytes")
    total = AccessPattern().total_bytes
    if all(row.text(column) for column in _ROW_COUNTS):
        total = sum(int(float(row.text(column))) for column in _ROW_COUNTS) * standard.access_bytes
    return AccessPattern(
        order="random" if pattern.startswith("rand_") else "sequential",
        block_bytes=block,
        streams=row.count("streams"),
        starts="same-bank" if pattern.endswith(_SAME_BANK) else "staggered",
        read_share=_share(row),
        total_bytes=max(block, total),
    )


def _share(row: CsvRow) -> float:
    try:
        share = float(row.text("read_fraction"))
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise row.error("read_fraction", "0 to 1")
    return share
