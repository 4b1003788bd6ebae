"""What is measured, the most wanted first: names of the row and what builds its work, or how long to wait idle."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from . import loads
from .steady import Load

EXPERT: Final = (28672, 4096)  # n, k of Mixtral's gate and up

Build = Callable[[], "Load | float"]


def _idle(case: str, wait_s: float) -> tuple[dict[str, Any], Build]:
    return {"case": case}, lambda: wait_s


def _stream(programs: int, data: str = "random") -> tuple[dict[str, Any], Build]:
    named = {"case": "read", "kernel": "triton stream", "level": "memory", "data": data, "programs": programs}
    return named, partial(loads.read, programs, data)


def _nearby(level: str, programs: int) -> tuple[dict[str, Any], Build]:
    named = {"case": "read", "kernel": "triton stream", "level": level, "data": "random", "programs": programs}
    return named, partial(loads.read_nearby, level, programs)


def _moved(case: str, share: float = 1.0) -> tuple[dict[str, Any], Build]:
    named = {"case": case, "level": "memory", "data": "random", "busy_share": share}
    return named, partial(loads.MOVES[case], share)


def _product(
    dtype: str, m: int, n: int, k: int, data: str = "random", share: float = 1.0
) -> tuple[dict[str, Any], Build]:
    named = {"case": "product", "dtype": dtype, "data": data, "m": m, "n": n, "k": k, "busy_share": share}
    return named, partial(loads.product, dtype, m, n, k, data, share)


def _square(dtype: str, size: int, data: str = "random", share: float = 1.0) -> tuple[dict[str, Any], Build]:
    return _product(dtype, size, size, size, data, share)


def _layers(m: int, share: float) -> tuple[dict[str, Any], Build]:
    named = {"case": "decode-like layers", "dtype": "bf16", "data": "random", "m": m, "busy_share": share}
    return named, partial(loads.decode_layers, m, share)


def _attention(case: str) -> tuple[dict[str, Any], Build]:
    return {"case": case, "dtype": "bf16", "data": "random"}, partial(loads.ATTENTION[case])


def _copied(case: str) -> tuple[dict[str, Any], Build]:
    return {"case": case, "level": "pcie", "data": "random"}, partial(loads.COPIES[case])


def _small(case: str) -> tuple[dict[str, Any], Build]:
    return {"case": case}, partial(loads.SMALL[case])


CASES: Final[list[tuple[dict[str, Any], Build]]] = [
    _idle("idle before a context", 1.0),
    _small("one thread spins"),
    _small("one warp per multiprocessor"),
    _small("tiny kernels in a graph"),
    _small("tiny kernels, eager"),
    _stream(16), _stream(33), _stream(66), _stream(132), _stream(264),
    _square("bf16", 8192), _square("bf16", 8192, "zeros"), _square("bf16", 2048),
    _product("bf16", 1, *EXPERT), _product("bf16", 8, *EXPERT), _product("bf16", 64, *EXPERT),
    _product("bf16", 256, *EXPERT),
    _idle("idle just after work", 0.2),
    _square("fp8", 8192), _square("fp8", 8192, "zeros"), _square("fp16", 8192),
    _layers(8, 1.0), _layers(8, 0.6), _layers(64, 1.0), _layers(64, 0.6),
    _nearby("L2", 264), _nearby("L2", 33), _nearby("L1", 264),
    _small("fp32 multiply-add in registers"),
    _moved("copy"), _moved("write"), _stream(264, "zeros"),
    _copied("host to device"), _copied("device to host"),
    _idle("idle after copies", 0.2),
    _moved("scattered 64 bytes"), _moved("scattered 256 bytes"), _moved("copy", 0.5),
    _square("bf16", 8192, share=0.5), _square("bf16", 4096), _square("bf16", 1024), _square("bf16", 512),
    _product("fp8", 8, *EXPERT), _product("fp8", 64, *EXPERT),
    _attention("attention of a prompt"), _attention("attention of a decode step"),
    _square("int8", 8192), _square("fp8", 2048),
    _idle("idle 5 s after work", 5.0), _idle("idle 13 s after work", 5.0),
]  # fmt: skip
