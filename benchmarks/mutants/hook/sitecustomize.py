"""Python loads this first where its folder is on PYTHONPATH: a mutant takes its file's place, in child processes too.

``MUTANT`` names a JSON file with the mutant's ``path`` and ``source``; nothing on the disk changes, so that many can be
tried side by side. Functions under ``MUTANTS_FROM`` (module prefixes) stay Python: compiled code would come from a
cache.
"""

from __future__ import annotations

import json
import os
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

_PLAIN = """

def _as_records(value):  # whose fields are attributes in Python too
    if isinstance(value, tuple):
        fields = map(_as_records, value)
        return type(value)(*fields) if hasattr(value, "_fields") else tuple(fields)
    is_table = hasattr(value, "dtype") and value.dtype.names and value.ndim
    return value.view(__import__("numpy").recarray) if is_table else value


def _unless_drawn_from(name, compiling):
    def chosen(function):
        if not function.__module__.startswith(PREFIXES):
            return compiling(function)
        return function if name == "compiled_part" else lambda *given: function(*map(_as_records, given))

    return chosen


compiled, compiled_part, compiled_making_arrays = (
    _unless_drawn_from(name, globals()[name]) for name in ("compiled", "compiled_part", "compiled_making_arrays")
)
"""
_given = json.loads(Path(os.environ["MUTANT"]).read_text()) if os.environ.get("MUTANT") else {"path": "", "source": ""}
_prefixes = tuple(os.environ.get("MUTANTS_FROM", "").split())
_original = SourceFileLoader.get_code


def _get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
    path = self.get_filename(fullname)
    if _given["path"] and os.path.realpath(path) == _given["path"]:
        return compile(_given["source"], path, "exec", dont_inherit=True)
    if _prefixes and fullname == "moe_cosim.compiled":
        source = Path(path).read_text() + _PLAIN.replace("PREFIXES", repr(_prefixes))
        return compile(source, path, "exec", dont_inherit=True)
    return _original(self, fullname)


SourceFileLoader.get_code = _get_code  # type: ignore[method-assign]
