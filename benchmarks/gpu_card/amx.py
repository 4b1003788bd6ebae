"""Products of expert shapes on the host's processor (oneDNN, with AMX where it has it), and its memory's rate."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import torch
from table import Table

COLUMNS: Final = (
    "what", "dtype", "weights", "amx", "threads", "rows", "inner", "columns", "sets", "set_bytes", "time_us",
    "fastest_us", "GBps", "TFLOPS", "repetitions",
)  # fmt: skip
THREADS: Final = (16, 8, 4, 1)  # the first ones matter most, should the time run out
ROWS: Final = (1, 2, 4, 8, 16, 64, 256)
SHAPES: Final = ((4096, 14336), (2048, 768))  # (inner, columns): Mixtral-8x7B, Qwen3-30B-A3B
BEYOND_CACHE_BYTES: Final = 1_500_000_000  # operand sets taken in turn: several times any last-level cache
STREAM_BYTES: Final = 4_000_000_000
PACKED_FOR_ROWS: Final = 16
CASE_S: Final = 0.06
FEWEST: Final = 3

Product = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def run(table: Table) -> None:
    """`GBps` counts the weights of a product alone, and what a stream reads and writes."""
    _streams(table)
    for inner, columns in SHAPES:
        plain = _sets(torch.empty((columns, inner), dtype=torch.bfloat16).uniform_(-0.05, 0.05))
        packed = _packed(plain)
        _products(table, "bf16", "packed", packed, (inner, columns), _packed_linear)
        _products(table, "bf16", "plain", plain, (inner, columns), torch.nn.functional.linear)
        del plain, packed
    for inner, columns in SHAPES:
        plain = _sets(torch.randint(-127, 127, (columns, inner), dtype=torch.int8))
        _products(table, "int8", "plain", plain, (inner, columns), _int8_linear)


def _sets(base: torch.Tensor) -> list[torch.Tensor]:
    torch.set_num_threads(THREADS[0])
    count = -(-BEYOND_CACHE_BYTES // (base.numel() * base.element_size()))
    return [base.clone() for _ in range(count)]


def _packed(plain: list[torch.Tensor]) -> list[torch.Tensor]:
    """As PyTorch's compiler packs them for oneDNN; none where this version does not."""
    try:
        return [torch.ops.mkldnn._reorder_linear_weight(weights.to_mkldnn(), PACKED_FOR_ROWS) for weights in plain]
    except (AttributeError, RuntimeError) as error:
        print(f"amx: packed weights: {type(error).__name__}: {error}", flush=True)
        return []


def _packed_linear(inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    outputs: torch.Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weights, None, "none", [], "")
    return outputs


def _int8_linear(inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return torch._int_mm(inputs, weights.t())


def _products(
    table: Table, dtype: str, layout: str, sets: list[torch.Tensor], shape: tuple[int, int], product: Product
) -> None:
    """The rows of all threads and rows; none where there are no sets."""
    if not sets:
        return
    inner, columns = shape
    set_bytes = inner * columns * (1 if dtype == "int8" else 2)
    for threads in THREADS:
        for rows in ROWS:
            if dtype == "int8":
                inputs = torch.randint(-127, 127, (rows, inner), dtype=torch.int8)
            else:
                inputs = torch.randn((rows, inner)).to(torch.bfloat16)

            def measured(inputs: torch.Tensor = inputs, rows: int = rows, threads: int = threads) -> dict[str, Any]:
                times = _times_us(lambda index: product(inputs, sets[index % len(sets)]), threads)
                flop = 2 * rows * inner * columns
                return {**times, **_rates(times, set_bytes, flop)}

            named = {
                "what": "product", "dtype": dtype, "weights": layout, "amx": _has_amx(), "threads": threads,
                "rows": rows, "inner": inner, "columns": columns, "sets": len(sets), "set_bytes": set_bytes,
            }  # fmt: skip
            table.measure(named, measured)


def _streams(table: Table) -> None:
    values = torch.ones(STREAM_BYTES // 4)
    half = values.numel() // 2
    kinds: dict[str, Callable[[int], object]] = {
        "stream read (sum)": lambda _: values.sum(),
        "stream copy, read and written": lambda _: values[:half].copy_(values[half:]),
    }
    for what, step in kinds.items():
        for threads in THREADS:

            def measured(step: Callable[[int], object] = step, threads: int = threads) -> dict[str, Any]:
                times = _times_us(step, threads)
                return {**times, **_rates(times, STREAM_BYTES, 0)}

            named = {"what": what, "dtype": "fp32", "threads": threads, "sets": 1, "set_bytes": STREAM_BYTES}
            table.measure(named, measured)


def _times_us(step: Callable[[int], object], threads: int) -> dict[str, Any]:
    """Median and fastest of single calls, after one more: CASE_S long, but FEWEST calls at least."""
    torch.set_num_threads(threads)
    step(0)
    times_us: list[float] = []
    while len(times_us) < FEWEST or sum(times_us) < 1e6 * CASE_S:
        begin = time.perf_counter()
        step(len(times_us) + 1)
        times_us.append(1e6 * (time.perf_counter() - begin))
    middle, fastest = statistics.median(times_us), min(times_us)
    return {"time_us": round(middle, 2), "fastest_us": round(fastest, 2), "repetitions": len(times_us)}


def _rates(times: dict[str, Any], moved_bytes: int, flop: int) -> dict[str, Any]:
    time_us = times["time_us"]
    return {"GBps": round(moved_bytes / time_us / 1e3, 2), "TFLOPS": round(flop / time_us / 1e6, 4) if flop else ""}


def _has_amx() -> str:
    """What PyTorch says of AMX; empty where this version does not tell."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return str(supported()) if supported else ""
