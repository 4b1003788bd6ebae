"""What a channel achieves on a pattern, asked once: answers are kept on disk by what they follow from."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from platformdirs import user_cache_path

from moe_cosim.hw_models.dram_timing.achieved import Achieved, simulate_pattern
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.layout import AddressLayout
from moe_cosim.hw_models.dram_timing.pattern import AccessPattern
from moe_cosim.hw_models.dram_timing.recorded import recorded
from moe_cosim.hw_models.dram_timing.standard import DramStandard
from moe_cosim.whole_file import write_whole

_KEY_DIGITS: Final = 24
_ANSWERS_NOTHING: Final = ("__init__.py", "ask.py", "idle.py", "recorded.py", "speed.py")
"""Files that no answer follows from: a speed is in the standard's figures."""
_SAYS_NOTHING: Final = ("title", "source", "validated", "names", "where", "held_clocks", "speeds_megatransfers_per_s")


def ask(standard: DramStandard, controller: Controller, pattern: AccessPattern, folder: Path | None = None) -> Achieved:
    """As `simulate_pattern`, which runs only where the answer neither comes with the package nor was found before.

    An answer belongs to the standard's figures, the controller, the pattern and the simulation's code. It is looked for
    among those that come with the package, then in this user's cache (or `folder`). A cache that cannot be read or
    written costs the time of a simulation, not the answer.
    """
    AddressLayout.parse(controller.mapping, standard, controller.where)
    key = key_of(standard, controller, pattern)
    known = recorded(key)
    if known is not None:
        return known
    path = (folder or user_cache_path("moe-cosim") / "dram") / f"{key}.json"
    with suppress(OSError, ValueError, TypeError):
        return Achieved(**json.loads(path.read_text()))
    found = simulate_pattern(standard, controller, pattern)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(asdict(found)).encode(), flush=False)
    return found


def key_of(standard: DramStandard, controller: Controller, pattern: AccessPattern) -> str:
    """Digest of all that the answer follows from."""
    said = f"{_of_channel(standard, controller)}{json.dumps(asdict(pattern), sort_keys=True)}"
    return hashlib.sha256(said.encode()).hexdigest()[:_KEY_DIGITS]


@lru_cache(maxsize=256)
def _of_channel(standard: DramStandard, controller: Controller) -> str:
    return f"{_code()}{json.dumps([_said(standard), _said(controller)], sort_keys=True)}"


def _said(thing: DramStandard | Controller) -> dict[str, Any]:
    return {name: value for name, value in asdict(thing).items() if name not in _SAYS_NOTHING}


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name not in _ANSWERS_NOTHING:
            digest.update(path.read_bytes())
    return digest.hexdigest()
