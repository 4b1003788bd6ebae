"""What a channel achieves on a pattern, asked once: answers are kept on disk by what they follow from."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

from moe_cosim.hw_models.dram_timing.achieved import Achieved, simulate_pattern
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.layout import AddressLayout
from moe_cosim.hw_models.dram_timing.pattern import AccessPattern
from moe_cosim.hw_models.dram_timing.standard import DramStandard
from moe_cosim.whole_file import write_whole

_SAYS_NOTHING = ("title", "source", "validated", "names", "where")


def ask(standard: DramStandard, controller: Controller, pattern: AccessPattern, folder: Path | None = None) -> Achieved:
    """As `simulate_pattern`, which runs only where nobody asked this user's cache (or `folder`) the same before.

    An answer belongs to the standard's figures, the controller, the pattern and this package's code. A cache that
    cannot be read or written costs the time of a simulation, not the answer.
    """
    AddressLayout.parse(controller.mapping, standard, controller.where)
    path = (folder or user_cache_path("moe-cosim") / "dram") / f"{_key(standard, controller, pattern)}.json"
    with suppress(OSError, ValueError, TypeError):
        return Achieved(**json.loads(path.read_text()))
    found = simulate_pattern(standard, controller, pattern)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(asdict(found)).encode(), flush=False)
    return found


def _key(*things: DramStandard | Controller | AccessPattern) -> str:
    said = [{name: value for name, value in asdict(each).items() if name not in _SAYS_NOTHING} for each in things]
    return hashlib.sha256(f"{_code()}{json.dumps(said, sort_keys=True)}".encode()).hexdigest()


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
