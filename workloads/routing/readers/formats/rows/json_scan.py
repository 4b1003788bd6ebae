"""JSON lines of the expected form read in compiled code; what is written otherwise is left to Python's parser.

A machine of few states over bytes. It knows objects of the five keys, whole numbers, and lists of numbers, with any
white space between; a line with anything else (another key, a number of many digits, an escape) it does not take.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moe_cosim.compiled import compiled, compiled_part

END, SLOW = 0, 1
_SPACE, _TAB, _RETURN, _LINE, _QUOTE, _COMMA, _COLON = 32, 9, 13, 10, 34, 44, 58
_OPEN, _CLOSE, _BEGIN, _STOP, _ZERO, _NINE, _POINT, _MINUS, _PLUS = 91, 93, 123, 125, 48, 57, 46, 45, 43
_BAD = -1


@compiled_part
def _skip(text: NDArray[np.uint8], at: int) -> int:
    while at < len(text) and (text[at] == _SPACE or text[at] == _TAB or text[at] == _RETURN):
        at += 1
    return at


@compiled_part
def _whole(text: NDArray[np.uint8], at: int, value: NDArray[np.int64]) -> int:
    """Reads up to 18 digits into `value`; where it ends, or `_BAD`."""
    start, number = at, np.int64(0)
    while at < len(text) and _ZERO <= text[at] <= _NINE and at - start < 19:
        number = number * 10 + (np.int64(text[at]) - _ZERO)
        at += 1
    if at == start or at - start > 18 or (text[start] == _ZERO and at - start > 1):
        return _BAD
    value[0] = number
    return at


@compiled_part
def _number(text: NDArray[np.uint8], at: int, powers: NDArray[np.float64], value: NDArray[np.float64]) -> int:
    """Reads a number of 0 or more, of up to 18 digits and 22 decimal places either way; as `_whole`."""
    start, digits, number, places = at, 0, np.int64(0), np.int64(0)
    while at < len(text) and _ZERO <= text[at] <= _NINE:
        number = number * 10 + (np.int64(text[at]) - _ZERO)
        digits += 1
        at += 1
        if digits > 18:
            return _BAD
    if digits == 0 or (text[start] == _ZERO and digits > 1):
        return _BAD
    if at < len(text) and text[at] == _POINT:
        at += 1
        first = at
        while at < len(text) and _ZERO <= text[at] <= _NINE:
            number = number * 10 + (np.int64(text[at]) - _ZERO)
            digits += 1
            at += 1
            if digits > 18:
                return _BAD
        places = np.int64(at - first)
        if places == 0:
            return _BAD
    if at < len(text) and (text[at] == 101 or text[at] == 69):
        at += 1
        negative = at < len(text) and text[at] == _MINUS
        if at < len(text) and (text[at] == _MINUS or text[at] == _PLUS):
            at += 1
        first, power = at, np.int64(0)
        while at < len(text) and _ZERO <= text[at] <= _NINE and at - first < 4:
            power = power * 10 + (np.int64(text[at]) - _ZERO)
            at += 1
        if at == first:
            return _BAD
        places += power if negative else -power
    if places > 22 or places < -22:
        return _BAD
    value[0] = number / powers[places] if places >= 0 else number * powers[-places]
    return at


@compiled_part
def _is(text: NDArray[np.uint8], at: int, name: NDArray[np.uint8]) -> bool:
    if at + len(name) >= len(text) or text[at + len(name)] != _QUOTE:
        return False
    for i in range(len(name)):  # noqa: SIM110 - compiled, where no generator is
        if text[at + i] != name[i]:
            return False
    return True


@compiled
def scan(
    text: NDArray[np.uint8],
    start: int,
    names: tuple[NDArray[np.uint8], ...],
    powers: NDArray[np.float64],
    first_row: int,
    state: NDArray[np.int64],
    places: NDArray[np.int64],
    lines: NDArray[np.int64],
    experts: NDArray[np.uint16],
    weights: NDArray[np.float64],
    whole: NDArray[np.int64],
    number: NDArray[np.float64],
) -> int:
    """Lines of `text`, which ends with a line break, from `start` on.

    names: of layer, token, sequence, experts, weights. powers: of ten, 0 to 22.
    state (byte, row, line): where it stopped, rows written, lines ended; line is counted on.
    places [rows, 3] (layer, token, sequence), lines [rows], experts [rows, k], weights [rows, k or 0]: written.
    whole, number [1]: scratch. Returns `END`, or `SLOW` at a line for Python, whose start is the byte.
    """
    at, row, line = start, first_row, state[2]
    k, weighted = experts.shape[1], weights.shape[1] > 0
    needed = 0b11011 if weighted else 0b01011
    while at < len(text):
        begin = at
        at = _skip(text, at)
        if at < len(text) and text[at] == _LINE:
            at += 1
            line += 1
            continue
        good, seen = at < len(text) and text[at] == _BEGIN, 0
        places[row, 2] = 0
        while good:
            at = _skip(text, at + 1)
            if at >= len(text) or text[at] != _QUOTE:
                good = False
                break
            key = -1
            for i in range(5):
                if _is(text, at + 1, names[i]):
                    key = i
                    break
            if key < 0 or seen >> key & 1:
                good = False
                break
            seen |= 1 << key
            at = _skip(text, at + 2 + len(names[key]))
            if at >= len(text) or text[at] != _COLON:
                good = False
                break
            at = _skip(text, at + 1)
            if key < 3:
                at = _whole(text, at, whole)
                if at == _BAD:
                    good = False
                    break
                places[row, key] = whole[0]
            else:
                if at >= len(text) or text[at] != _OPEN or (key == 4 and not weighted):
                    good = False
                    break
                count = 0
                while True:
                    at = _skip(text, at + 1)
                    at = _whole(text, at, whole) if key == 3 else _number(text, at, powers, number)
                    if at == _BAD or count == k or (key == 3 and whole[0] > 65535):
                        at = _BAD
                        break
                    if key == 3:
                        experts[row, count] = whole[0]
                    else:
                        weights[row, count] = number[0]
                    count += 1
                    at = _skip(text, at)
                    if at < len(text) and text[at] == _COMMA:
                        continue
                    break
                if at == _BAD or at >= len(text) or text[at] != _CLOSE or count != k:
                    good = False
                    break
                at += 1
            at = _skip(text, at)
            if at < len(text) and text[at] == _COMMA:
                continue
            break
        if good and at < len(text) and text[at] == _STOP and seen & needed == needed:
            at = _skip(text, at + 1)
            good = at < len(text) and text[at] == _LINE
        else:
            good = False
        if not good:
            state[0], state[1], state[2] = begin, row, line
            return SLOW
        at += 1
        line += 1
        lines[row] = line
        row += 1
    state[0], state[1], state[2] = at, row, line
    return END
