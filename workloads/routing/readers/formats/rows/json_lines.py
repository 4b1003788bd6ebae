"""JSON lines {layer, token, experts[, weights][, sequence]}, one per token and layer.

This is what patches that log vLLM's fused-MoE routing write. Layers may be numbered as in the model
(a dense first layer leaves a gap); tokens count within a sequence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.containers.packed import open_unpacked
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, trace_formats
from moe_cosim.workloads.routing.recorded.row_trace import RowTrace
from moe_cosim.workloads.routing.recorded.rows import Rows, RowSource

_KEYS: Final = ("layer", "token", "experts", "weights", "sequence")
_FORM: Final = '{"layer": 0, "token": 0, "experts": [3, 5], "weights": [0.6, 0.4]}'
_PIECE: Final = 2**22
"""Bytes that are read at a time."""
_LONGEST_LINE: Final = 2**24
_NAMES: Final = tuple(
    np.frombuffer(name.encode(), np.uint8) for name in ("layer", "token", "sequence", "experts", "weights")
)
_POWERS: Final = np.array([10.0**power for power in range(23)], np.float64)


@trace_formats.register("json-lines")
class JsonLines(TraceFormat):
    summary = "one object per token and layer: `layer`, `token`, `experts`, optional `weights` and `sequence`"
    written_by = "patches that log vLLM's routing"
    known_by = "`{` as the first character of a line that is none of the other layouts'"

    def recognises(self, content: Content, top_k: int | None) -> bool:
        return content.container == "json-lines" and b'"topk_experts"' not in content.head.partition(b"\n")[0]

    def read(self, content: Content, router: ModelRouter | None) -> RowTrace:
        return RowTrace(_Lines(content.path))


class _Line(NamedTuple):
    layer: int
    token: int
    sequence: int
    experts: list[int]
    weights: list[float] | None


class _Lines(RowSource):
    """Every line has the k, and weights or none, of the first one."""

    def __init__(self, path: Path) -> None:
        self.where = path

    def blocks(self) -> Iterator[Rows]:
        reader = None
        for piece in _pieces(self.where):
            if reader is None:
                reader = _first(piece, self.where)
            if reader is not None:
                yield reader.rows(piece)


def _pieces(path: Path) -> Iterator[bytes]:
    """The text in pieces of whole lines; the last one ends with a line break whether the file does or not."""
    left = b""
    with open_unpacked(path) as file:
        first = True
        while True:
            try:
                read = file.read(_PIECE)
            except OSError as error:
                raise InputError(path, "file", what_failed(error), "readable JSON lines") from None
            if first:
                read, first = read.removeprefix(b"\xef\xbb\xbf"), False
            if not read:
                break
            whole, end, left_now = read.rpartition(b"\n")
            if end:
                yield left + whole + end
                left = left_now
            else:
                left += read
            if len(left) > _LONGEST_LINE:
                raise InputError(path, "line", Plain("one of more than 16 MiB"), _FORM)
    if left.strip():
        yield left + b"\n"


def _first(piece: bytes, path: Path) -> _Reader | None:
    """A reader for lines like the first one; None while there are only empty ones."""
    number = piece[: len(piece) - len(piece.lstrip())].count(b"\n")
    if not piece.strip():
        return None
    line = _parse(piece.lstrip().partition(b"\n")[0], number + 1, None, path)
    return _Reader(len(line.experts), line.weights is not None, path)


class _Reader:
    """Keeps count of lines through the pieces."""

    def __init__(self, top_k: int, weighted: bool, path: Path) -> None:
        self._k, self._weighted, self._path = top_k, weighted, path
        self._state = np.zeros(3, np.int64)
        self._whole, self._number = np.zeros(1, np.int64), np.zeros(1)

    def rows(self, piece: bytes) -> Rows:
        """All lines of a piece."""
        from moe_cosim.workloads.routing.readers.formats.rows.json_scan import SLOW, scan  # compiled

        text = np.frombuffer(piece, np.uint8)
        most = len(piece) // (32 + 2 * self._k) + 2  # no line is shorter
        places, lines = np.empty((most, 3), np.int64), np.empty(most, np.int64)
        experts = np.empty((most, self._k), np.uint16)
        weights = np.empty((most, self._k if self._weighted else 0))
        state = self._state
        state[:2] = 0
        tables = (state, places, lines, experts, weights, self._whole, self._number)
        while scan(text, int(state[0]), _NAMES, _POWERS, int(state[1]), *tables) == SLOW:
            self._slow(piece, places, lines, experts, weights)
        count = int(state[1])
        layer, token, sequence = places[:count].T
        return Rows(sequence, token, layer, experts[:count], weights[:count] if self._weighted else None, lines[:count])

    def _slow(self, piece: bytes, places: NDArray[Any], lines: NDArray[Any], experts: Any, weights: Any) -> None:
        """One line as Python reads it, or what is wrong with it."""
        begin, row, line = self._state.tolist()
        end = piece.index(b"\n", begin)
        found = _parse(piece[begin:end], line + 1, (self._k, self._weighted), self._path)
        places[row], lines[row], experts[row] = (found.layer, found.token, found.sequence), line + 1, found.experts
        if found.weights is not None:
            weights[row] = found.weights
        self._state[:] = end + 1, row + 1, line + 1


def _parse(text: bytes, number: int, like: tuple[int, bool] | None, path: Path) -> _Line:
    """One line; `like`: k and whether it has weights, as on the lines before."""
    at = f"line {number}"
    try:
        data = json.loads(text.decode())
    except UnicodeDecodeError:
        raise InputError(path, at, Plain("bytes that are not UTF-8"), _FORM) from None
    except (ValueError, RecursionError):
        raise InputError(path, at, Plain("text that is not JSON"), _FORM) from None
    if not isinstance(data, dict):
        raise InputError(path, at, _start_of(text), _FORM)
    unknown = next((key for key in data if key not in _KEYS), None)
    if unknown is not None:
        raise InputError(path, f"{at} {unknown}", Plain("an unknown key"), f"only {', '.join(_KEYS)}")
    place: list[Any] = [data.get("layer"), data.get("token"), data.get("sequence", 0)]
    if not all(_is_id(value) for value in place):
        raise InputError(path, at, _start_of(text), "layer, token and sequence as whole numbers of 0 or more")
    experts, weights = data.get("experts"), data.get("weights")
    if not isinstance(experts, list) or not experts or not all(_is_id(e) and e < 65536 for e in experts):
        raise InputError(path, f"{at} experts", experts, "a list of expert ids from 0 to 65535")
    if like is not None and len(experts) != like[0]:
        raise InputError(path, f"{at} experts", experts, f"{like[0]} experts, as on the lines before")
    if like is not None and (weights is not None) != like[1]:
        raise InputError(path, f"{at} weights", weights, "weights on all lines or on none")
    if weights is not None and not (
        isinstance(weights, list) and len(weights) == len(experts) and all(map(_is_weight, weights))
    ):
        raise InputError(path, f"{at} weights", weights, "one finite number of 0 or more for each expert")
    layer, token, sequence = place
    return _Line(layer, token, sequence, experts, weights)


def _start_of(text: bytes) -> Plain:
    return Plain(text.decode(errors="replace").strip()[:80])


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2.0**1000
