"""What sglang's recorder writes pass by pass (srt/eplb/expert_distribution.py, modes per_pass and per_token).

Ids and counts are of physical experts; ``last_physical_to_logical_map`` [layers, physical] says which expert each is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.arrays import MOST_EXPERTS
from moe_cosim.workloads.routing.readers.containers.content import Content

_MAP = "last_physical_to_logical_map"


def has_records(content: Content, key: str) -> bool:
    """Whether it holds a list of records, and the first has `key`."""
    tree = content.tree if content.container in ("torch", "json") else None
    records = tree.get("records") if isinstance(tree, Mapping) else None
    return isinstance(records, list | tuple) and bool(records) and isinstance(records[0], Mapping) and key in records[0]


def records_of(content: Content) -> list[Mapping[str, Any]]:
    """The dump's passes, each a mapping. Raises `InputError` for a file without."""
    tree = content.tree
    records = tree.get("records") if isinstance(tree, Mapping) else None
    if not isinstance(records, list | tuple) or not records or not all(isinstance(one, Mapping) for one in records):
        raise InputError(content.path, "records", Plain("no list of records"), "a dump of sglang's recorder")
    return list(records)


def array_of(record: Mapping[str, Any], key: str, dimensions: int, at: str, content: Content) -> NDArray[np.int64]:
    """Whole numbers of one record, of a shape of so many `dimensions`. Raises `InputError`."""
    try:
        array = np.asarray(record.get(key))
    except ValueError:
        array = np.asarray(None)
    if array.ndim != dimensions or (array.dtype.kind not in "iu" and array.size):
        found = Plain("nothing" if key not in record else f"{array.dtype} of shape {array.shape}")
        raise InputError(content.path, f"{at} {key}", found, f"{dimensions}-d integers")
    return array.astype(np.int64)


def logical_map(content: Content, layers: int) -> NDArray[np.int64] | None:
    """[layers, physical] experts; None where the dump has none: then ids are the experts'. Raises `InputError` for a
    map of other layers.
    """
    if content.tree.get(_MAP) is None:
        return None
    found = array_of(content.tree, _MAP, 2, "file", content)
    if len(found) != layers or found.size == 0 or int(found.min()) < 0 or int(found.max()) >= MOST_EXPERTS:
        raise InputError(content.path, _MAP, Plain(f"shape {found.shape}"), f"[{layers}, physical experts] ids")
    return found
