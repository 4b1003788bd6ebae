"""The work: streams, products, copies, attention, and layers like those of a decode step."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final

import torch
from pool import Pool
from timing import sets_beyond_l2
from torch.nn.functional import scaled_dot_product_attention

from . import kernels
from .steady import Load

STREAM_BYTES: Final = 4 << 30
L2_BYTES: Final = 16 << 20
L1_BYTES: Final = 64 << 10  # two tiles of each program, so that no compiler keeps them in registers
PASSES: Final = 20
POOL_BYTES: Final = 4 << 30
PINNED_BYTES: Final = 256 << 20
DTYPES: Final = {
    "bf16": torch.bfloat16, "fp16": torch.float16, "fp8": torch.float8_e4m3fn, "int8": torch.int8,
}  # fmt: skip
LAYERS, EXPERTS, HIDDEN, INNER, QUERIES, KV_BYTES = 8, 32, 2048, 768, 4096, 64 << 20  # like Qwen3-30B-A3B


def read(programs: int, data: str) -> Load:
    """A stream from memory."""
    source = _random_words() if data == "random" else torch.zeros_like(_random_words())
    return Load(lambda _: kernels.stream(source, _sink(), programs), STREAM_BYTES)


def read_nearby(level: str, programs: int) -> Load:
    """The same values again and again, from the L2 (past the L1) or from the L1."""
    size = L2_BYTES if level == "L2" else programs * L1_BYTES
    cached, passes = (".cg", PASSES) if level == "L2" else (".ca", 50 * PASSES)
    source = _random_words()[: size // 4]
    return Load(lambda _: kernels.stream(source, _sink(), programs, passes, cached), size * passes)


def _copy(share: float) -> Load:
    source, target = _random_words(), torch.empty_like(_random_words())
    return Load(lambda _: target.copy_(source), 2 * STREAM_BYTES, busy_share=share)


def _write(share: float) -> Load:
    target = torch.empty_like(_random_words())
    return Load(lambda _: target.fill_(0x5A3C96E1), STREAM_BYTES, busy_share=share)


def _scattered(width: int, share: float) -> Load:
    programs, rounds, source = 1056, 64, _random_words()
    moved = kernels.scattered(source, _sink(), programs, rounds, width)
    return Load(lambda _: kernels.scattered(source, _sink(), programs, rounds, width), moved, busy_share=share)


MOVES: Final[dict[str, Callable[[float], Load]]] = {
    "copy": _copy,
    "write": _write,
    "scattered 64 bytes": partial(_scattered, 16),
    "scattered 256 bytes": partial(_scattered, 64),
}


def product(dtype: str, m: int, n: int, k: int, data: str, share: float) -> Load:
    """[m, k] by [k, n]; the operands come from memory where they are larger than the L2 or many."""
    kind = DTYPES[dtype]
    result_bytes = 4 if dtype == "int8" else 2
    read_bytes = (m * k + n * k) * kind.itemsize
    sets = 1 if min(m, n, k) >= 512 else min(sets_beyond_l2(read_bytes), POOL_BYTES // read_bytes)
    take = _pool(dtype).take if data == "random" else partial(_zeros, kind)
    operands = [(take(m, k), take(n, k).t()) for _ in range(sets)]
    step = partial(_multiplied, dtype, operands)
    return Load(step, read_bytes + m * n * result_bytes, 2 * m * n * k, sets, busy_share=share)


def _multiplied(dtype: str, operands: list[tuple[torch.Tensor, torch.Tensor]], index: int) -> torch.Tensor:
    left, right = operands[index]
    if dtype == "fp8":
        one = _one()
        return torch._scaled_mm(
            left, right, scale_a=one, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=True
        )  # fmt: skip
    return torch._int_mm(left, right) if dtype == "int8" else torch.matmul(left, right)


def decode_layers(m: int, share: float) -> Load:
    """A graph of LAYERS layers: projections, a stream of keys and values, EXPERTS experts, small kernels between."""
    pool, words = _pool("bf16"), _random_words()
    value = torch.randn(m, HIDDEN, dtype=torch.bfloat16, device="cuda")
    heads = torch.randn(m, QUERIES, dtype=torch.bfloat16, device="cuda")
    inner = torch.randn(m, INNER, dtype=torch.bfloat16, device="cuda")
    shapes = [(5120, HIDDEN), (HIDDEN, QUERIES), *[(2 * INNER, HIDDEN), (HIDDEN, INNER)] * EXPERTS]
    inputs = {HIDDEN: value, QUERIES: heads, INNER: inner}
    weights = [[pool.take(n, k).t() for n, k in shapes] for _ in range(LAYERS)]

    def step(_: int) -> None:
        for layer, matrices in enumerate(weights):
            kernels.stream(words[layer * KV_BYTES // 4 : (layer + 1) * KV_BYTES // 4], _sink(), 264)
            for matrix in matrices:
                torch.matmul(inputs[matrix.shape[0]], matrix)
            for _ in range(4):
                torch.nn.functional.rms_norm(value, (HIDDEN,))

    weight_values = LAYERS * sum(n * k for n, k in shapes)
    return Load(step, 2 * weight_values + LAYERS * KV_BYTES, 2 * m * weight_values, busy_share=share)


def _prompt_attention() -> Load:
    batch, heads, length, dim = 4, 32, 4096, 128
    values = [_pool("bf16").take(batch, heads, length, dim) for _ in range(3)]
    moved = 4 * batch * heads * length * dim * 2
    flop = 2 * batch * heads * length * length * dim  # two products of 2 operations, half of each masked
    return Load(lambda _: scaled_dot_product_attention(*values, is_causal=True), moved, flop)


def _decode_attention() -> Load:
    batch, heads, kv_heads, length, dim = 64, 32, 8, 2048, 128
    query = _pool("bf16").take(batch, heads, 1, dim)
    keys, values = (_pool("bf16").take(batch, kv_heads, length, dim) for _ in range(2))
    moved, flop = 2 * keys.numel() * 2, 4 * batch * heads * length * dim
    return Load(lambda _: scaled_dot_product_attention(query, keys, values, enable_gqa=True), moved, flop)


ATTENTION: Final[dict[str, Callable[[], Load]]] = {
    "attention of a prompt": _prompt_attention,
    "attention of a decode step": _decode_attention,
}


def _copies(direction: str) -> Load:
    card = _random_words().view(torch.uint8)[:PINNED_BYTES].clone()
    host = torch.empty(PINNED_BYTES, dtype=torch.uint8, pin_memory=True)
    host.copy_(card)
    source, target = (host, card) if direction == "host to device" else (card, host)
    return Load(lambda _: target.copy_(source, non_blocking=True), PINNED_BYTES, graph=False)


COPIES: Final = {way: partial(_copies, way) for way in ("host to device", "device to host")}


def _one_thread() -> Load:
    return Load(lambda _: torch.cuda._sleep(2_000_000))


def _one_warp() -> Load:
    programs = torch.cuda.get_device_properties(0).multi_processor_count
    flop = kernels.multiply_add(_sink(), programs, 1000, 32, 1)
    return Load(lambda _: kernels.multiply_add(_sink(), programs, 1000, 32, 1), 0, flop)


def _registers() -> Load:
    programs = 8 * torch.cuda.get_device_properties(0).multi_processor_count
    flop = kernels.multiply_add(_sink(), programs, 4000, 1024, 4)
    return Load(lambda _: kernels.multiply_add(_sink(), programs, 4000, 1024, 4), 0, flop)


def _tiny(graph: bool) -> Load:
    value = torch.zeros(1, device="cuda")
    return Load(lambda _: value.add_(1), graph=graph)


SMALL: Final[dict[str, Callable[[], Load]]] = {
    "one thread spins": _one_thread,
    "one warp per multiprocessor": _one_warp,
    "tiny kernels in a graph": partial(_tiny, True),
    "tiny kernels, eager": partial(_tiny, False),
    "fp32 multiply-add in registers": _registers,
}


@cache
def _random_words() -> torch.Tensor:
    limits = torch.iinfo(torch.int32)
    words = torch.empty(STREAM_BYTES // 4, dtype=torch.int32, device="cuda")
    return words.random_(limits.min, limits.max)


@cache
def _sink() -> torch.Tensor:
    return torch.empty(1, dtype=torch.int32, device="cuda")


@cache
def _one() -> torch.Tensor:
    return torch.ones((), device="cuda")


@cache
def _pool(dtype: str) -> Pool:
    return Pool(DTYPES[dtype], POOL_BYTES)


def _zeros(dtype: torch.dtype, *shape: int) -> Any:
    return torch.zeros(shape, dtype=dtype, device="cuda")
