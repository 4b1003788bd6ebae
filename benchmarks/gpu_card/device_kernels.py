"""The Triton kernels: streams through memory, and the activation between a MoE layer's two products."""

from __future__ import annotations

import torch
import triton
import triton.language as tl


@triton.jit
def _read(source, sink, BLOCK: tl.constexpr):  # noqa: N803
    start = tl.program_id(0).to(tl.int64) * BLOCK
    total = tl.sum(tl.load(source + start + tl.arange(0, BLOCK)))
    if total == 0x12345678:  # never in practice, but the compiler must keep the loads
        tl.store(sink, total)


@triton.jit
def _write(target, BLOCK: tl.constexpr):  # noqa: N803
    start = tl.program_id(0).to(tl.int64) * BLOCK
    tl.store(target + start + tl.arange(0, BLOCK), tl.zeros((BLOCK,), tl.int32))


@triton.jit
def _copy(source, target, BLOCK: tl.constexpr):  # noqa: N803
    offsets = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    tl.store(target + offsets, tl.load(source + offsets))


@triton.jit
def _silu_and_multiply(gate_up, result, columns, BLOCK: tl.constexpr):  # noqa: N803
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = column < columns
    gate = tl.load(gate_up + row * 2 * columns + column, mask=inside).to(tl.float32)
    up = tl.load(gate_up + row * 2 * columns + columns + column, mask=inside).to(tl.float32)
    tl.store(result + row * columns + column, (gate * tl.sigmoid(gate) * up).to(tl.bfloat16), mask=inside)


def read(source: torch.Tensor, sink: torch.Tensor, block: int, warps: int) -> None:
    """Reads int32 values, a multiple of `block`."""
    _read[(source.numel() // block,)](source, sink, BLOCK=block, num_warps=warps)


def write(target: torch.Tensor, block: int, warps: int) -> None:
    """Writes int32 values, a multiple of `block`."""
    _write[(target.numel() // block,)](target, BLOCK=block, num_warps=warps)


def copy(source: torch.Tensor, target: torch.Tensor, block: int, warps: int) -> None:
    """Copies int32 values, a multiple of `block`."""
    _copy[(source.numel() // block,)](source, target, BLOCK=block, num_warps=warps)


def silu_and_multiply(gate_up: torch.Tensor) -> torch.Tensor:
    """silu(gate) * up of rows [gate, up], bfloat16 [rows, 2 columns] -> [rows, columns]."""
    rows, columns = gate_up.shape[0], gate_up.shape[1] // 2
    result = torch.empty((rows, columns), dtype=gate_up.dtype, device=gate_up.device)
    _silu_and_multiply[(rows, triton.cdiv(columns, 1024))](gate_up, result, columns, BLOCK=1024)
    return result
