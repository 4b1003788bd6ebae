"""Libraries that only some uses need, with one line where they are missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from moe_cosim.errors import InputError, Plain


def load(module: str, where: str = "this command") -> Any:
    """Import `module` of the extra ``sweep`` for `where`; `InputError` where it is not installed."""
    try:
        return import_module(module)
    except ImportError:
        allowed = "the extra 'sweep': pip install 'moe-cosim[sweep]'"
        package = module.partition(".")[0]
        raise InputError(where, "environment", Plain(f"no {package}"), allowed) from None
