"""A run's energy: joules by component, by purpose and over time, from counts and figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.machine import Machine
from moe_cosim.sim.results.energy.components import Taking, takings
from moe_cosim.sim.results.energy.tally import EnergyTally
from moe_cosim.sim.results.metrics.busy_time import BusyTime
from moe_cosim.sim.results.rows import EnergyPurposeRow, EnergyRow, EnergySummary, PowerOverTime
from moe_cosim.workloads.programs.program import PHASES, PURPOSES

TIME: Final = "time"
"""The purpose of what is there whatever is done."""
_DIGITS: Final = 6


@dataclass(frozen=True)
class Times:
    """Of a run, in seconds: whole, and from the first token on."""

    total_s: float
    decode_s: float
    tokens: int
    decoded_tokens: int


@dataclass(frozen=True)
class EnergyAccount:
    """What a result says of energy."""

    summary: EnergySummary
    components: list[EnergyRow]
    purposes: list[EnergyPurposeRow]
    over_time: PowerOverTime


def account(machine: Machine, tally: EnergyTally, busy: BusyTime, times: Times) -> EnergyAccount:
    """After the last block."""
    found, unknown = takings(machine, tally)
    per_count = _joules_per_count(machine, tally, busy, found)
    by_use = tally.by_use @ per_count.T  # [uses, takings]
    watts = np.array([taking.watts for taking in found])
    joules = by_use.sum(axis=0) + watts * times.total_s
    total = float(joules.sum())
    in_decode = float(by_use[_decode()].sum() + watts.sum() * times.decode_s)
    decoded = bool(times.decoded_tokens)
    summary = EnergySummary(
        joules=total,
        decode_joules=in_decode,
        joules_per_token=total / max(times.tokens, 1),
        decode_joules_per_token=in_decode / times.decoded_tokens if decoded else None,
        mean_w=total / times.total_s if times.total_s else 0.0,
        decode_mean_w=in_decode / times.decode_s if decoded and times.decode_s else None,
        energy_delay_js=total * times.total_s,
        operations=float(tally.by_use[:, tally.columns.operations : tally.columns.active].sum()),
        unknown=unknown,
        area_mm2=_sum(device.area_mm2 for device in machine.devices),
        price_usd=_sum(device.price_usd for device in machine.devices),
    )
    return EnergyAccount(
        summary,
        _components(found, joules, total, times.total_s),
        _purposes(by_use, float(watts.sum()), total, times),
        _over_time(found, tally, per_count, watts, times.total_s),
    )


def _joules_per_count(
    machine: Machine, tally: EnergyTally, busy: BusyTime, found: Sequence[Taking]
) -> NDArray[np.float64]:
    """[takings, columns]. A unit whose lanes work side by side is active once: of their times it takes the share that
    their union is."""
    per_count = np.zeros((len(found), tally.columns.total))
    for row, taking in enumerate(found):
        for column, joules in taking.per_count.items():
            per_count[row, column] = joules
    worked = tally.by_use[:, tally.columns.active : tally.columns.software].sum(axis=0).tolist()
    for index, unit in enumerate(machine.units.values()):
        if len(unit.lanes) > 1 and worked[index]:
            union_ps, _ = busy.of_unit_ps(unit.name)
            per_count[:, tally.columns.active + index] *= min(1.0, union_ps / worked[index])
    return per_count


def _sum(said: Iterable[float | None]) -> float | None:
    """None where nothing is said."""
    found = [each for each in said if each is not None]
    return sum(found) if found else None


def _decode() -> slice:
    from moe_cosim.sim.results.energy.event_counts import PURPOSE_COUNT

    first = PHASES.index("decode") * PURPOSE_COUNT
    return slice(first, first + PURPOSE_COUNT)


def _components(found: Sequence[Taking], joules: NDArray[np.float64], total: float, total_s: float) -> list[EnergyRow]:
    """The largest first."""
    rows = [
        EnergyRow(each.component, each.kind, each.cause, took, took / total, took / total_s if total_s else 0.0)
        for each, took in zip(found, joules.tolist(), strict=True)
        if took
    ]
    return sorted(rows, key=lambda row: (-row.joules, row.component, row.cause))


def _purposes(by_use: NDArray[np.float64], watts: float, total: float, times: Times) -> list[EnergyPurposeRow]:
    """The largest first; prefill is the time up to the first token."""
    names = [(phase, purpose) for phase in PHASES for purpose in (*PURPOSES, "")]
    took = dict(zip(names, by_use.sum(axis=1).tolist(), strict=True))
    took["prefill", TIME] = watts * (times.total_s - times.decode_s)
    took["decode", TIME] = watts * times.decode_s
    rows = [EnergyPurposeRow(*name, joules, joules / total) for name, joules in took.items() if joules]
    return sorted(rows, key=lambda row: (-row.joules, row.phase, row.purpose))


def _over_time(
    found: Sequence[Taking],
    tally: EnergyTally,
    per_count: NDArray[np.float64],
    watts: NDArray[np.float64],
    total_s: float,
) -> PowerOverTime:
    span_s = tally.span_ps / 1e12
    starts = np.arange(len(tally.over_time)) * span_s
    used = int((starts < total_s).sum())
    lasting = np.clip(total_s - starts[:used], 0.0, span_s)
    joules = tally.over_time[:used] @ per_count.T + lasting[:, None] * watts
    of_component: dict[str, NDArray[np.float64]] = {}
    for column, taking in enumerate(found):
        before = of_component.get(taking.component, np.zeros(used))
        of_component[taking.component] = before + joules[:, column]
    return PowerOverTime(
        span_s, {name: [_rounded(each) for each in (took / span_s).tolist()] for name, took in of_component.items()}
    )


def _rounded(watts: float) -> float:
    return float(f"{watts:.{_DIGITS}g}")
