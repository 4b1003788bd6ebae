"""Libraries that only some uses need, with one line where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from moe_cosim.errors import InputError, Plain


def load(module: str, where: str = "this command", extra: str = "sweep") -> Any:
    """Import `module` of the `extra` for `where`; `InputError` where it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        allowed = f"the extra '{extra}': pip install 'moe-cosim[{extra}]'"
        package = module.partition(".")[0]
        raise InputError(where, "environment", Plain(f"no {package}"), allowed) from None
