"""Draws mutants: a place of the source first, each as likely as any other, then one of the changes possible there."""

from __future__ import annotations

import ast
import json
import random
from pathlib import Path
from typing import Any, Final

from benchmarks.mutants.drawn_from import files

_NOT: Final = ("core/NoOp", "core/RemoveDecorator", "core/ExceptionReplacer", "core/Variable")
"""Decorators are Numba's and dataclasses'; other exceptions and other names are errors that types show."""

Place = tuple[str, tuple[int, int], tuple[int, int]]


def sample(count: int, seed: int) -> list[dict[str, Any]]:
    """Rows with path, line, end_line, operator, before, after and the whole mutated source."""
    chosen = random.Random(seed)
    places = _places()
    found: list[dict[str, Any]] = []
    for place in chosen.sample(sorted(places), len(places)):
        row = _mutant(place, *chosen.choice(places[place]))
        if row is not None:
            found.append({"id": len(found), **row})
        if len(found) == count:
            break
    return found


def _places() -> dict[Place, list[tuple[str, int]]]:
    """By place, the (operator, occurrence) that change it."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    places: dict[Place, list[tuple[str, int]]] = {}
    names = [name for name in operator_names() if not name.startswith(_NOT)]
    for path in files():
        nodes = list(ast_nodes(get_ast(path.read_text())))
        for name in names:
            operator, occurrence = get_operator(name)(), 0
            for node in nodes:
                for start, end in operator.mutation_positions(node):
                    places.setdefault((str(path), start, end), []).append((name, occurrence))
                    occurrence += 1
    return places


def _mutant(place: Place, name: str, occurrence: int) -> dict[str, Any] | None:
    """None where only an annotation changes, or the result is no Python."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    path, start, end = place
    before = Path(path).read_text()
    after = mutate_code(before, get_operator(name)(), occurrence)
    if after is None or (meaning := _meaning(after)) is None or meaning == _meaning(before):
        return None
    lines = [
        (old.strip(), new.strip())
        for old, new in zip(before.splitlines(), after.splitlines(), strict=False)
        if old != new
    ]
    return {
        "path": path,
        "line": start[0],
        "end_line": end[0],
        "operator": name.removeprefix("core/"),
        "before": lines[0][0],
        "after": lines[0][1],
        "source": after,
    }


def _meaning(source: str) -> str | None:
    """What runs: without annotations."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in [*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs]:
                argument.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return ast.dump(tree)


def write(target: Path, count: int, seed: int) -> None:
    """As JSON."""
    target.write_text(json.dumps(sample(count, seed), indent=1))
