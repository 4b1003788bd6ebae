"""What NVML says of power, energy, clocks and temperature, sampled by a thread."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import pynvml

EVERY_S: Final = 0.01
SLOW_EVERY: Final = 10  # samples of the energy counter for one of everything else
INSTANT_POWER: Final = 186  # NVML_FI_DEV_POWER_INSTANT
MEMORY_SCOPE: Final = 2  # NVML_POWER_SCOPE_MEMORY
MEMORY_TEMPERATURE: Final = 82  # NVML_FI_DEV_MEMORY_TEMP


class Sampler:
    """A context in which the first card is sampled. What this card or driver does not tell stays empty."""

    COLUMNS: Final = (
        "watts", "joules", "energy_seconds", "power_w", "instant_w", "memory_w", "sm_mhz", "memory_mhz",
        "temperature_c", "memory_temperature_c", "throttle_reasons", "processes",
    )  # fmt: skip

    def __init__(self) -> None:
        """Raises pynvml.NVMLError where there is no card."""
        pynvml.nvmlInit()
        self.card = pynvml.nvmlDeviceGetHandleByIndex(0)
        self.energy: list[tuple[float, int]] = []  # time, millijoules
        self.slow: list[tuple[float, dict[str, float | None]]] = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Sampler:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.thread.join()

    def between(self, begin_s: float, end_s: float) -> dict[str, Any]:
        """Means between two times of time.perf_counter.

        The counter moves in steps, so its mean lies between its first and last step in the interval.
        """
        steps = [now for before, now in pairwise(self.energy) if begin_s <= now[0] <= end_s and now[1] != before[1]]
        seen: dict[str, Any] = {}
        if len(steps) > 1:
            joules, seconds = (steps[-1][1] - steps[0][1]) / 1e3, steps[-1][0] - steps[0][0]
            seen = {"watts": round(joules / seconds, 2), "joules": joules, "energy_seconds": round(seconds, 4)}
        slow = [values for at_s, values in self.slow if begin_s <= at_s <= end_s]
        for name in slow[0] if slow else ():
            values = [value for sample in slow if (value := sample[name]) is not None]
            if not values:
                continue
            if name == "throttle_reasons":
                seen[name] = hex(_any_of([int(value) for value in values]))
            else:
                seen[name] = round(statistics.fmean(values), 2)
        return seen

    def _sample(self) -> None:
        count = 0
        while not self.ended.wait(EVERY_S):
            energy = _tried(lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(self.card))
            if energy is not None:
                self.energy.append((time.perf_counter(), int(energy)))
            if count % SLOW_EVERY == 0:
                self.slow.append((time.perf_counter(), self._slow()))
            count += 1

    def _slow(self) -> dict[str, float | None]:
        card = self.card
        return {
            "power_w": _tried(lambda: pynvml.nvmlDeviceGetPowerUsage(card) / 1e3),
            "instant_w": _tried(lambda: self._field(INSTANT_POWER, 0) / 1e3),
            "memory_w": _tried(lambda: self._field(INSTANT_POWER, MEMORY_SCOPE) / 1e3),
            "sm_mhz": _tried(lambda: pynvml.nvmlDeviceGetClockInfo(card, pynvml.NVML_CLOCK_SM)),
            "memory_mhz": _tried(lambda: pynvml.nvmlDeviceGetClockInfo(card, pynvml.NVML_CLOCK_MEM)),
            "temperature_c": _tried(lambda: pynvml.nvmlDeviceGetTemperature(card, pynvml.NVML_TEMPERATURE_GPU)),
            "memory_temperature_c": _tried(lambda: self._field(MEMORY_TEMPERATURE, 0)),
            "throttle_reasons": _tried(lambda: pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(card)),
            "processes": _tried(lambda: len(pynvml.nvmlDeviceGetComputeRunningProcesses(card))),
        }

    def _field(self, field: int, scope: int) -> int:
        answer = pynvml.nvmlDeviceGetFieldValues(self.card, [(field, scope)])[0]
        if answer.nvmlReturn != 0:
            raise pynvml.NVMLError(answer.nvmlReturn)
        return int(answer.value.uiVal)


def _tried(query: Callable[[], float]) -> float | None:
    """None where the driver does not answer."""
    try:
        return query()
    except Exception:  # NVMLError, and names that an older pynvml does not have
        return None


def _any_of(flags: list[int]) -> int:
    seen = 0
    for flag in flags:
        seen |= flag
    return seen
