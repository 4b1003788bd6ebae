"""The rows of a result: what each number is, with its unit in its name.

A row's fields are the keys of ``result.json`` and the columns of `Result.to_frame`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self

_KINDS: Final[dict[str, Any]] = {"str": str, "int": int, "float": (int, float), "bool": bool, "None": type(None)}


@dataclass(frozen=True)
class Row:
    """A field may be called `name_` where Python needs ``name`` itself; outside it is ``name``."""

    def as_dict(self) -> dict[str, Any]:
        """As the result's file has it."""
        row: Any = type(self)
        return dict(zip(_keys(row), vars(self).values(), strict=True))  # values are in the order of the fields

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Self:
        """From `as_dict`; `TypeError` where a field is missing, unknown or of another kind."""
        names = {name.removesuffix("_"): name for name in cls.__dataclass_fields__}
        row = cls(**{names.get(key, key): value for key, value in saved.items()})
        check_kinds(row)
        return row


def check_kinds(saved: Any) -> None:
    """Raises `TypeError` for texts and numbers of a dataclass that are something else: a file may say anything."""
    for field in type(saved).__dataclass_fields__.values():
        value, kinds = getattr(saved, field.name), str(field.type).split(" | ")
        if set(kinds) <= _KINDS.keys() and not any(isinstance(value, _KINDS[kind]) for kind in kinds):
            raise TypeError(f"{field.name} is {type(value).__name__}")


@cache
def _keys(row: type[Row]) -> tuple[str, ...]:
    return tuple(name.removesuffix("_") for name in row.__dataclass_fields__)


@dataclass(frozen=True)
class UnitRow(Row):
    """How busy one unit was: the time in which at least one of its lanes computes or moves data."""

    name: str
    kind: str
    busy_s: float
    utilization: float
    """Busy share of the whole run."""
    decode_utilization: float
    decode_utilization_with_copies: float
    """As `decode_utilization`, counting also the units that share its memory (the DMA engine beside it)."""
    events: int


@dataclass(frozen=True)
class MemoryRow(Row):
    """What went through one memory, mean over the run."""

    name: str
    read_bytes: int
    written_bytes: int
    achieved_bytes_per_s: float
    peak_bytes_per_s: float
    """The internal one, where it has one."""
    utilization: float
    capacity_bytes: int


@dataclass(frozen=True)
class LinkRow(Row):
    """What went over one direction of a link with a finite rate, or through the port of a memory that has an
    internal peak as well; mean over the run."""

    name: str
    bytes: int
    achieved_bytes_per_s: float
    payload_bytes_per_s: float
    """What it can carry of payload."""
    peak_bytes_per_s: float
    utilization: float


@dataclass(frozen=True)
class TrafficRow(Row):
    """One kind of contents (weights, activations, kv)."""

    memory_bytes: int
    link_bytes: int
    """Link by link: what crosses three counts three times."""
    crossed_bytes: int | None = None
    """What left one device for another, once however many links it crossed; None: a result of an older version."""


@dataclass(frozen=True)
class PrecisionRow(Row):
    """How one part of the model was stored, and in which operand type a unit multiplied it (empty: not a product)."""

    part: str
    unit: str
    format: str
    bits_per_weight: float
    computed_as: str


@dataclass(frozen=True)
class VerifySummary(Row):
    """Decode steps that verify several tokens of each sequence."""

    verified_tokens: int
    """Of a sequence in a step."""
    accepted_tokens: float
    """Drafted tokens that a step accepts of a sequence, on average."""
    yielded_tokens: float
    """Tokens that a step brings a sequence and that count: what was asked for over the steps, on average."""
    acceptance_rate: float | None
    """Accepted drafted tokens over all drafted ones, also those behind a rejected one; None without any."""
    distinct_experts: float
    """Different experts that a step asks for in a layer, on average: the union over its tokens."""
    distinct_by_layer: list[float]
    """[MoE layers] the same."""


@dataclass(frozen=True)
class ExpertSummary(Row):
    """Runs of experts in decode. A hit was in GPU memory before the gate asked; a miss was fetched then."""

    gpu_hits: int
    gpu_hits_by_prefetch: int
    gpu_misses: int
    hit_rate: float | None
    """Hits over GPU runs; None without any."""
    near_data: int
    near_data_share: float | None
    skipped: int
    moves: int


@dataclass(frozen=True)
class ClassRow(Row):
    """Decode: what one kind of unit ran of one class of experts (hot, warm, cold by load)."""

    class_: str
    unit: str
    """Kind of unit."""
    runs_per_layer: float
    """Per MoE layer and step."""
    tokens_per_layer: float
    tokens_share: float


@dataclass(frozen=True)
class MoveRow(Row):
    """Decode: copies of experts of one kind."""

    copies: int
    bytes: int


@dataclass(frozen=True)
class PathRow(Row):
    """Part of the critical path: all segments of one unit, phase, purpose and bound."""

    unit: str
    phase: str
    """Empty for a program without tags, as is `purpose`."""
    purpose: str
    bound: str
    """One of `moe_cosim.sim.engines.timeline.BOUNDS`."""
    time_ps: int
    seconds: float
    share: float
    """Of the whole run."""


@dataclass(frozen=True)
class EnergySummary(Row):
    """Of all components whose energy is known; the phases add up to the whole."""

    joules: float
    decode_joules: float
    """After the first token."""
    joules_per_token: float
    """Of all generated tokens."""
    decode_joules_per_token: float | None
    """Of the generated tokens after the first; None without decode steps."""
    mean_w: float
    decode_mean_w: float | None
    energy_delay_js: float
    """Joules times the whole time."""
    operations: float
    """Multiplications and additions."""
    unknown: list[str]
    """Components, or operations of one, without figures: they take more than nothing, and are counted nowhere."""
    area_mm2: float | None = None
    """Of the devices whose descriptions say one; None where none does, as the price."""
    price_usd: float | None = None


@dataclass(frozen=True)
class EnergyRow(Row):
    """What one cause took in one component; instances of a part are one component."""

    component: str
    kind: str
    """``memory``, ``unit``, ``link``, ``switch`` or ``fabric``."""
    cause: str
    joules: float
    share: float
    mean_w: float


@dataclass(frozen=True)
class EnergyPurposeRow(Row):
    """What one purpose took in one phase; ``time`` is what is there whatever is done."""

    phase: str
    purpose: str
    joules: float
    share: float


@dataclass(frozen=True)
class PowerOverTime(Row):
    """Mean watts in equal spans of time from the start; the last may be longer than the run."""

    span_s: float
    watts: dict[str, list[float]]
    """By component."""


@dataclass(frozen=True)
class AssumptionRow(Row):
    """An assumption that the run made, with its value, as people read it."""

    name: str
    value: Any
    range: list[Any]
    source: str
    """The reason."""


@dataclass(frozen=True)
class Extrapolation(Row):
    """How a whole timeline came from a window of it."""

    window: str
    events: int
    """In the window."""
    sampled_s: float
    """The window on the engine that was asked for."""
    embedded_s: float
    """The same window on the embedded engine."""
    ratio: float
    method: str = "the embedded engine's timeline of the whole program, times the ratio on the window"


ROWS: Final[Mapping[str, type[Row]]] = {
    "units": UnitRow,
    "memories": MemoryRow,
    "links": LinkRow,
    "traffic": TrafficRow,
    "experts": ExpertSummary,
    "verify": VerifySummary,
    "expert_classes": ClassRow,
    "expert_moves": MoveRow,
    "critical_path": PathRow,
    "assumptions": AssumptionRow,
    "precisions": PrecisionRow,
    "energy": EnergySummary,
    "energy_components": EnergyRow,
    "energy_purposes": EnergyPurposeRow,
    "power_over_time": PowerOverTime,
    "extrapolation": Extrapolation,
}
"""Fields of a `Result` that hold rows: a list of them, one, or one by name."""
DECODE: Final = "decode"
"""The phase after the first token."""
HOST: Final = "host"
"""The purpose of what the software takes."""
SOFTWARE_WORTH_SAYING: Final = 0.1
"""Share of the critical path from which on the first lines of a result say it."""

BY_NAME: Final = ("traffic", "expert_moves")
