"""One JSON value: what people make of a dump to look at it. Lists of numbers become arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from moe_cosim.errors import InputError, Plain, what_failed

_MOST_BYTES: Final = 2**28
"""JSON takes ten times its length in memory."""


def read_json(file: IO[bytes], where: Path) -> Any:
    """The value, with arrays in place of (nested, even) lists of numbers. Raises `InputError`, calling the file
    `where`.
    """
    text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise InputError(where, "file", Plain("one JSON value of more than 256 MiB"), "JSON lines, .npz or Parquet")
    try:
        return _with_arrays(json.loads(text.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise InputError(where, "file", Plain(f"bytes that are not UTF-8 at {error.start}"), "JSON in UTF-8") from None
    except json.JSONDecodeError as error:
        raise InputError(where, f"line {error.lineno}", Plain(f"no JSON ({error.msg})"), "one JSON value") from None
    except (ValueError, RecursionError) as error:
        raise InputError(where, "file", what_failed(error), "one JSON value of plain numbers") from None


def _with_arrays(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_arrays(each) for key, each in value.items()}
    if isinstance(value, list):
        if value and not _holds_mapping(value):
            try:
                array = np.array(value)
            except (ValueError, OverflowError):
                return [_with_arrays(each) for each in value]
            if array.dtype.kind in "iuf":
                return array
        return [_with_arrays(each) for each in value]
    return value


def _holds_mapping(value: Any) -> bool:
    """Whether the first of the first ... is one: such lists are of records."""
    while isinstance(value, list) and value:
        value = value[0]
    return isinstance(value, dict)
