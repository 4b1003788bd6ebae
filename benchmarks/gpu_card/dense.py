"""Products of one weight matrix: bfloat16, float8, int8, and bfloat16 by 4-bit weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

import torch
from pool import Pool
from table import Table
from timing import graphed_us, sets_beyond_l2

COLUMNS: Final = (
    "section", "case", "dtype", "kernel", "m", "n", "k", "moved_bytes", "GB_per_s", "TFLOP_per_s", "time_us",
    "fastest_us", "repetitions",
)  # fmt: skip
# n (outputs), k (inputs) from the models' config.json
SHAPES: Final = {
    "Mixtral-8x7B q, k, v": (6144, 4096),
    "Mixtral-8x7B attention output": (4096, 4096),
    "Mixtral-8x7B expert gate and up": (28672, 4096),
    "Mixtral-8x7B expert down": (4096, 14336),
    "Mixtral-8x7B head": (32000, 4096),
    "Qwen3-30B-A3B q, k, v": (5120, 2048),
    "Qwen3-30B-A3B attention output": (2048, 4096),
    "Qwen3-30B-A3B expert gate and up": (1536, 2048),
    "Qwen3-30B-A3B expert down": (2048, 768),
    "Qwen3-30B-A3B router": (128, 2048),
    "Qwen3-30B-A3B head": (151936, 2048),
    "DeepSeek-V3 q and kv down": (2112, 7168),
    "DeepSeek-V3 q up": (24576, 1536),
    "DeepSeek-V3 attention output": (7168, 16384),
    "DeepSeek-V3 shared expert gate and up": (4096, 7168),
    "DeepSeek-V3 shared expert down": (7168, 2048),
}
ROWS: Final = [1 << power for power in range(14)]
GROUP: Final = 128  # 4-bit weights that share a scale and a zero point
INNER_TILES: Final = 8  # of the packing, 16 inputs each
POOL_BYTES: Final = 2 << 30

Step = Callable[[int], object]
Build = Callable[[int, int, int, int], Step]  # m, n, k, operand sets


def run(table: Table) -> None:
    """Weights are read from memory at every product: operand sets are taken in turn."""
    floats = Pool(torch.bfloat16, POOL_BYTES)
    _measure(table, "bf16", "torch matmul", 2, ROWS, partial(_bf16, floats))
    quarters = Pool(torch.float8_e4m3fn, POOL_BYTES)
    for scaling in ("tensor-wise", "row-wise"):
        _measure(table, f"fp8 {scaling}", "torch _scaled_mm", 1, ROWS, partial(_fp8, quarters, scaling))
    del quarters
    packed = Pool(torch.int32, POOL_BYTES)
    _measure(
        table, f"int4 weights, groups of {GROUP}", "torch _weight_int4pack_mm", 0.5 + 4 / GROUP,
        [rows for rows in ROWS if rows <= 64], partial(_int4, floats, packed),
    )  # fmt: skip
    del packed
    integers = Pool(torch.int8, POOL_BYTES)
    _measure(table, "int8", "torch _int_mm", 1, [rows for rows in ROWS if rows > 16], partial(_int8, integers))


def _measure(table: Table, dtype: str, kernel: str, weight_bytes: float, all_rows: Iterable[int], build: Build) -> None:
    input_bytes = 1 if weight_bytes == 1 else 2
    output_bytes = 4 if dtype == "int8" else 2
    for case, (n, k) in SHAPES.items():
        for m in all_rows:
            moved = int(n * k * weight_bytes + m * k * input_bytes + m * n * output_bytes)
            named = {"section": "dense", "case": case, "dtype": dtype, "kernel": kernel, "m": m, "n": n, "k": k}
            measured = partial(_timed, build, m, n, k, int(n * k * weight_bytes + m * k * input_bytes), moved)
            table.measure({**named, "moved_bytes": moved}, measured)


def _timed(build: Build, m: int, n: int, k: int, read_bytes: int, moved: int) -> dict[str, Any]:
    sets = sets_beyond_l2(read_bytes)
    timing = graphed_us(build(m, n, k, sets), sets)
    tflop_per_s = round(2 * m * n * k / timing.time_us / 1e6, 3)
    return {"GB_per_s": timing.gb_per_s(moved), "TFLOP_per_s": tflop_per_s, **timing.columns()}


def _bf16(floats: Pool, m: int, n: int, k: int, sets: int) -> Step:
    operands = [(floats.take(m, k), floats.take(n, k).t()) for _ in range(sets)]
    return lambda index: torch.matmul(*operands[index])


def _fp8(quarters: Pool, scaling: str, m: int, n: int, k: int, sets: int) -> Step:
    operands = [(quarters.take(m, k), quarters.take(n, k).t()) for _ in range(sets)]
    rows, columns = (m, n) if scaling == "row-wise" else (1, 1)
    scales = {
        "scale_a": torch.ones((rows, 1), device="cuda"),
        "scale_b": torch.ones((1, columns), device="cuda"),
    }
    return lambda index: torch._scaled_mm(*operands[index], **scales, out_dtype=torch.bfloat16, use_fast_accum=True)


def _int4(floats: Pool, packed: Pool, m: int, n: int, k: int, sets: int) -> Step:
    # Any bits are 4-bit weights, so they need no packing: [n / 8, k / (16 tiles), 32, tiles / 2] words of 32 bits.
    shape = (n // 8, k // (16 * INNER_TILES), 32, INNER_TILES // 2)
    operands = [(floats.take(m, k), packed.take(*shape), floats.take(k // GROUP, n, 2)) for _ in range(sets)]

    def step(index: int) -> object:
        inputs, weights, scales = operands[index]
        return torch._weight_int4pack_mm(inputs, weights, GROUP, scales)

    return step


def _int8(integers: Pool, m: int, n: int, k: int, sets: int) -> Step:
    operands = [(integers.take(m, k), integers.take(n, k).t()) for _ in range(sets)]
    return lambda index: torch._int_mm(*operands[index])
