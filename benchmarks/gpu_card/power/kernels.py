"""Triton kernels of one kind of work each: persistent streams, scattered reads, multiply-adds in registers."""

from __future__ import annotations

import torch
import triton
import triton.language as tl


@triton.jit
def _stream(source, sink, tiles, passes, BLOCK: tl.constexpr, CACHED: tl.constexpr):  # noqa: N803
    offsets = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.int32)
    for _pass in range(passes):
        for tile in range(tl.program_id(0), tiles, tl.num_programs(0)):
            total += tl.load(source + tile.to(tl.int64) * BLOCK + offsets, cache_modifier=CACHED)
    result = tl.sum(total)
    if result == 0x12345678:  # never in practice, but the compiler must keep the loads
        tl.store(sink, result)


@triton.jit
def _scattered(source, sink, chunks, rounds, COUNT: tl.constexpr, WIDTH: tl.constexpr):  # noqa: N803
    lanes = tl.arange(0, WIDTH)
    state = (tl.program_id(0).to(tl.int64) * COUNT + tl.arange(0, COUNT)) * 7919 + 12345
    total = tl.zeros((COUNT, WIDTH), tl.int32)
    for _round in range(rounds):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        chunk = (state * chunks) >> 31
        total += tl.load(source + chunk[:, None] * WIDTH + lanes[None, :])
    result = tl.sum(total)
    if result == 0x12345678:
        tl.store(sink, result)


@triton.jit
def _multiply_add(sink, rounds, BLOCK: tl.constexpr, UNROLLED: tl.constexpr):  # noqa: N803
    x = tl.arange(0, BLOCK).to(tl.float32) * 0.37 + 1.0
    y = x * 0.71 + tl.program_id(0)
    for _round in range(rounds):
        for _turn in tl.static_range(UNROLLED):  # a rotation: it neither grows nor settles, so all bits keep changing
            x = x + y * 0.043
            y = y - x * 0.043
    result = tl.sum(x + y)
    if result == 12345678.5:
        tl.store(sink, result)


UNROLLED = 16


def stream(source: torch.Tensor, sink: torch.Tensor, programs: int, passes: int = 1, cached: str = ".cg") -> None:
    """Reads int32 values, a multiple of 8192, `passes` times by `programs` persistent programs."""
    _stream[(programs,)](source, sink, source.numel() // 8192, passes, BLOCK=8192, CACHED=cached, num_warps=8)


def scattered(source: torch.Tensor, sink: torch.Tensor, programs: int, rounds: int, width: int) -> int:
    """Reads chunks of `width` int32 values anywhere; returns the bytes read."""
    _scattered[(programs,)](source, sink, source.numel() // width, rounds, COUNT=256, WIDTH=width, num_warps=8)
    return programs * rounds * 256 * width * 4


def multiply_add(sink: torch.Tensor, programs: int, rounds: int, block: int, warps: int) -> int:
    """fp32 multiply-adds in registers; returns the operations, two each."""
    _multiply_add[(programs,)](sink, rounds, BLOCK=block, UNROLLED=UNROLLED, num_warps=warps)
    return programs * rounds * UNROLLED * 2 * block * 2
