"""How a ``.gguf`` file stores the parts of a model: the types of its tensors, as formats."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.formats import mixed_format
from moe_cosim.workloads.gguf_header import Tensor
from moe_cosim.workloads.models.checkpoint import Checkpoint


class _Type(NamedTuple):
    """A type of ggml (ggml-org/llama.cpp, gguf-py/gguf/constants.py)."""

    name: str
    weights: int
    bytes: int


_TYPES: Final = {
    0: _Type("f32", 1, 4),
    1: _Type("fp16", 1, 2),
    2: _Type("q4_0", 32, 18),
    3: _Type("q4_1", 32, 20),
    6: _Type("q5_0", 32, 22),
    7: _Type("q5_1", 32, 24),
    8: _Type("q8_0", 32, 34),
    10: _Type("q2_k", 256, 84),
    11: _Type("q3_k", 256, 110),
    12: _Type("q4_k", 256, 144),
    13: _Type("q5_k", 256, 176),
    14: _Type("q6_k", 256, 210),
    16: _Type("iq2_xxs", 256, 66),
    17: _Type("iq2_xs", 256, 74),
    18: _Type("iq3_xxs", 256, 98),
    19: _Type("iq1_s", 256, 50),
    20: _Type("iq4_nl", 32, 18),
    21: _Type("iq3_s", 256, 110),
    22: _Type("iq2_s", 256, 82),
    23: _Type("iq4_xs", 256, 136),
    28: _Type("f64", 1, 8),
    29: _Type("iq1_m", 256, 56),
    30: _Type("bf16", 1, 2),
    34: _Type("tq1_0", 256, 54),
    35: _Type("tq2_0", 256, 66),
    39: _Type("mxfp4", 32, 17),
    40: _Type("nvfp4", 64, 36),
}
_STAND_INS: Final = {"f32": "fp16", "f64": "fp16", "tq1_0": "q2_k", "tq2_0": "q2_k"}
"""For types that no format is."""

_PARTS: Final = {
    "experts": r"blk\.\d+\.ffn_(gate|up|down|gate_up)_exps\.weight",
    "shared": r"blk\.\d+\.ffn_(gate|up|down)(_shexp)?\.weight",
    "attention": r"blk\.\d+\.attn_(q|k|v|qkv|output|gate|q_a|q_b|kv_a_mqa|kv_b|k_b|v_b)\.weight",
    "head": r"output\.weight",
    "embedding": r"token_embd\.weight",
}
_PATTERNS: Final = {part: re.compile(pattern) for part, pattern in _PARTS.items()}


def stored_as(tensors: Iterable[Tensor], where: object) -> Checkpoint:
    """Of each part its tensors' type; where they have several, the one that most weights have, at the mean size.

    Raises `InputError` for a type that ggml does not have.
    """
    weights: dict[str, Counter[int]] = {part: Counter() for part in _PATTERNS}
    for tensor in tensors:
        for part, pattern in _PATTERNS.items():
            if pattern.fullmatch(tensor.name):
                weights[part][tensor.type] += math.prod(tensor.shape)
    notes: list[str] = []
    names = {part: _format(part, counted, notes, where) for part, counted in weights.items()}
    if names["head"] is None:  # tied: one table is both
        names["head"] = names["embedding"]
    return Checkpoint(**names, note="; ".join(notes))


def _format(part: str, weights: Counter[int], notes: list[str], where: object) -> str | None:
    """Its name; None: there are no such tensors."""
    if not weights:
        return None
    for kind in weights:
        if kind not in _TYPES:
            raise InputError(where, f"tensors of {part}", Plain(f"type {kind}"), f"one of ggml's: {_numbers()}")
    main = max(weights, key=lambda kind: (weights[kind], -kind))
    name = _STAND_INS.get(_TYPES[main].name, _TYPES[main].name)
    if name != _TYPES[main].name:
        notes.append(f"{part}: {_TYPES[main].name} is not known: run as {name}")
        return name
    if len(weights) == 1:
        return name
    every = sum(weights.values())
    bits = sum(count * 8 * _TYPES[kind].bytes / _TYPES[kind].weights for kind, count in weights.items()) / every
    mixed = mixed_format(name, bits)
    shares = ", ".join(f"{count / every:.0%} {_TYPES[kind].name}" for kind, count in weights.most_common())
    notes.append(f"{part}: {shares}, run as {name} of {mixed.bits_per_weight:.2f} bits")
    return mixed.name


def _numbers() -> str:
    return ", ".join(map(str, _TYPES))
