"""JSON lines {layer, token, experts[, weights][, sequence]}, one per token and layer.

This is what patches that log vLLM's fused-MoE routing write. Layers may be numbered as in the model
(a dense first layer leaves a gap); tokens count within a sequence.
"""

from __future__ import annotations

import json
import lzma
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from moe_cosim.workloads.routing.readers.packed_text import open_text

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace
from moe_cosim.workloads.routing.routing import normalised

_KEYS: Final = ("layer", "token", "experts", "weights", "sequence")
_FORM: Final = '{"layer": 0, "token": 0, "experts": [3, 5], "weights": [0.6, 0.4]}'


def read_json_lines(path: Path) -> TokenTrace:
    """Every (sequence, token, layer) exactly once, all with the same k; other keys are refused."""
    rows: dict[tuple[int, int, int], tuple[list[int], list[float] | None]] = {}
    try:
        with open_text(path) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    _add(line, f"line {number}", path, rows)
    except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError, zlib.error) as error:
        allowed = "readable UTF-8 JSON lines, plain or packed by gzip or xz"
        raise InputError(path, "file", Plain(f"{type(error).__name__}: {error}"), allowed) from None
    if not rows:
        raise InputError(path, "file", Plain("no lines"), _FORM)
    layers = sorted({layer for _, _, layer in rows})
    tokens = sorted({(sequence, token) for sequence, token, _ in rows})
    for sequence, token in tokens:
        for layer in layers:
            if (sequence, token, layer) not in rows:
                at = f"sequence {sequence} token {token} layer {layer}"
                raise InputError(path, at, Plain("nothing"), "a line for every layer of every token")
    ordered = [rows[sequence, token, layer] for sequence, token in tokens for layer in layers]
    shape = (len(tokens), len(layers), len(ordered[0][0]))
    has_weights = ordered[0][1] is not None
    starts = [i for i, (sequence, _) in enumerate(tokens) if i == 0 or sequence != tokens[i - 1][0]]
    experts = np.array([row[0] for row in ordered], np.uint16).reshape(shape)
    weights = np.array([row[1] for row in ordered], np.float64).reshape(shape) if has_weights else None
    return TokenTrace(
        experts=experts,
        weights=None if weights is None else normalised(weights),
        offsets=np.array([*starts, len(tokens)], np.int64),
        num_experts=int(experts.max()) + 1,
        num_experts_known=False,
        where=str(path),
    )


def _add(line: str, at: str, path: Path, rows: dict[tuple[int, int, int], tuple[list[int], Any]]) -> None:
    """Check one line and add it to `rows`."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        raise InputError(path, at, Plain("text that is not JSON"), _FORM) from None
    if not isinstance(data, dict):
        raise InputError(path, at, Plain(line.strip()[:80]), _FORM)
    unknown = next((key for key in data if key not in _KEYS), None)
    if unknown is not None:
        raise InputError(path, f"{at} {unknown}", Plain("an unknown key"), f"only {', '.join(_KEYS)}")
    place = tuple(data.get(key, 0 if key == "sequence" else None) for key in ("sequence", "token", "layer"))
    if not all(_is_id(value) for value in place):
        raise InputError(path, at, Plain(line.strip()[:80]), "layer, token and sequence as whole numbers of 0 or more")
    if place in rows:
        raise InputError(path, at, Plain(f"token {place[1]} layer {place[2]} twice"), "each once per sequence")
    experts, weights = data.get("experts"), data.get("weights")
    if not isinstance(experts, list) or not experts or not all(_is_id(e) and e < 65536 for e in experts):
        raise InputError(path, f"{at} experts", experts, "a list of expert ids from 0 to 65535")
    first = next(iter(rows.values()), (experts, weights))
    if len(experts) != len(first[0]):
        raise InputError(path, f"{at} experts", experts, f"{len(first[0])} experts, as on the lines before")
    if (weights is None) != (first[1] is None):
        raise InputError(path, f"{at} weights", weights, "weights on all lines or on none")
    if weights is not None and not (
        isinstance(weights, list) and len(weights) == len(experts) and all(map(_is_weight, weights))
    ):
        raise InputError(path, f"{at} weights", weights, "one finite number of 0 or more for each expert")
    rows[place] = (experts, weights)  # type: ignore[index]


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
