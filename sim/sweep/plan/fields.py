"""An experiment's tree as fields by dotted path, the paths that ``--set`` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def fields(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every leaf of nested mappings: ``{"workload.batch": 1, "policy.name": "monde", …}``."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict):
            found.update(fields(value, path))
        else:
            found[path] = value
    return found
