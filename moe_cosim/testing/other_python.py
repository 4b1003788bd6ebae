"""Another Python, with other hashes: what it decides must not hang on the order of a set."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from functools import cache
from importlib import import_module
from typing import Final

HASH_SEEDS: Final = (1, 2)


class OtherPython:
    """A process with its own hash seed and this one's import path, that calls functions by name."""

    def __init__(self, hash_seed: int) -> None:
        # what this process imports, that one imports too, and nothing that lies where it starts
        path = os.pathsep.join(map(os.path.abspath, sys.path))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": path},
        )
        atexit.register(self._process.communicate)

    def ask(self, function: str, argument: str, plugin_module: str) -> str:
        """What ``module:function`` makes of `argument`, once `plugin_module` has been imported; or its error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([function, argument, plugin_module]) + "\n")
        self._process.stdin.flush()
        return str(json.loads(self._process.stdout.readline()))


def others(function: str, argument: str, plugin_module: str) -> list[str]:
    """The answers of Pythons with different hash seeds, one each."""
    return [_other(seed).ask(function, argument, plugin_module) for seed in HASH_SEEDS]


@cache
def _other(hash_seed: int) -> OtherPython:
    return OtherPython(hash_seed)


def serve() -> None:
    """What the other Python does: a call per line in, a result per line out, both JSON."""
    out = sys.stdout
    sys.stdout = sys.stderr  # what a plug-in prints is no result
    for line in sys.stdin:
        try:
            answer = _call(*json.loads(line))
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=out, flush=True)


def _call(function: str, argument: str, plugin_module: str) -> str:
    import_module(plugin_module)  # also one that no entry point names
    module, _, name = function.partition(":")
    return str(getattr(import_module(module), name)(argument))
