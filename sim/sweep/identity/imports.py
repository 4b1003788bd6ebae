"""Which modules of the package a module imports, read from the text: nothing is imported to find out."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import moe_cosim

PACKAGE: Final = "moe_cosim"
_ROOT: Final = Path(moe_cosim.__file__).parent
_NO_NUMBERS: Final = frozenset({"moe_cosim.version"})
"""A release that changes nothing else keeps its points."""


def closure(roots: Iterable[str]) -> frozenset[str]:
    """The modules of the package that the modules `roots` are and import, those these import, and so on."""
    found: set[str] = set()
    open_ = [part for root in roots for part in _with_parents(root)]
    while open_:
        module = open_.pop()
        if module not in found and module not in _NO_NUMBERS:
            found.add(module)
            open_ += _imports_of(module)
    return frozenset(found)


def imported_by(file: Path, package: str = "") -> set[str]:
    """Modules of moe_cosim that a Python file imports, in functions too but not under TYPE_CHECKING.

    `package`: of the file, where relative imports start. A file that is no Python imports nothing.
    """
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return set()
    found: set[str] = set()
    for node in _statements(tree.body):
        if isinstance(node, ast.Import):
            found.update(part for name in node.names for part in _with_parents(name.name))
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            for name in (base, *(f"{base}.{each.name}" for each in node.names)):
                found.update(_with_parents(name))
    return found


@cache
def file_of(module: str) -> Path | None:
    """The file of a module of the package; None where there is no such module."""
    first, *inner = module.split(".")
    if first != PACKAGE:
        return None
    place = _ROOT.joinpath(*inner)
    for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if path.is_file():
            return path
    return None


@cache
def _imports_of(module: str) -> tuple[str, ...]:
    file = file_of(module)
    if file is None:
        return ()
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return tuple(imported_by(file, package))


def _with_parents(name: str) -> list[str]:
    """The module, if it is one of the package, and the packages around it: they are run too."""
    if file_of(name) is None:
        return []
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    around = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*around, *([node.module] if node.module else [])])


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Every statement, however deep, that can run."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and _only_for_types(node.test):
            yield from _statements(node.orelse)
            continue
        for field in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, field, ()))
        for inner in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _statements(inner.body)


def _only_for_types(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )
