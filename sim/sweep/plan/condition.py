"""The filter language: comparisons of fields, joined with and, or, not. Parsed, never evaluated as Python.

    ndp.count <= 8 and policy.name in ["cxl-ndp", "monde"]
    field("assumptions.cxl-link-rate") >= "32 GB/s"

A name is a field's dotted path, or the end of one where only one field ends so; `field("…")` takes
paths with characters that names cannot have. Text that reads as quantities of one dimension is
compared as quantities. A comparison with a field that the point does not have is false.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from moe_cosim.errors import InputError, Plain, one_of
from moe_cosim.quantity import DIMENSIONS, parse_quantity

LONGEST: Final = 2000
_ALLOWED = "comparisons of fields joined with and, or, not, such as 'ndp.count <= 8 and workload.batch > 1'"
_ABSENT: Final = object()

_COMPARE: Final[dict[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_ORDER: Final = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ARITHMETIC: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


class Condition:
    """One filter. `holds` takes a point's fields by dotted path."""

    def __init__(self, text: Any, where: object, field: str = "where") -> None:
        """Raises `InputError` for text outside the language."""
        self._where, self._field, self.text = where, field, text
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
            raise InputError(where, field, text, _ALLOWED)
        plain = text.replace("≤", "<=").replace("≥", ">=").replace("≠", "!=")
        try:
            self._tree = ast.parse(plain.strip(), mode="eval").body
            self._check(self._tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise self._error(text) from None
        self._paths: dict[str, str] = {}

    def names(self) -> list[str]:
        """Every field name it uses, as written."""
        return [name for node in ast.walk(self._tree) if (name := _name(node)) is not None and self._is_whole(node)]

    def resolve(self, paths: Mapping[str, Any]) -> None:
        """Match names with the fields that any point has; `InputError` for none or several."""
        for name in self.names():
            if name in paths:
                self._paths[name] = name
                continue
            ends = [path for path in paths if path.endswith(f".{name}")]
            if len(ends) != 1:
                found = Plain(f"the unknown field {name}") if not ends else Plain(f"{name}, which is several fields")
                raise self._error(found, one_of(ends or paths, name))
            self._paths[name] = ends[0]

    def holds(self, fields: Mapping[str, Any]) -> bool:
        """Whether a point with these fields stays. `resolve` first."""
        found = self._value(self._tree, fields)
        return found is not _ABSENT and bool(found)

    def _check(self, node: ast.AST) -> None:
        """Only what `_value` knows."""
        if _name(node) is not None:
            return
        match node:
            case ast.BoolOp(values=values) | ast.List(elts=values) | ast.Tuple(elts=values):
                children: list[ast.expr] = list(values)
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                children = [operand]
            case ast.Compare(left=left, ops=ops, comparators=right) if all(type(op) in _COMPARE for op in ops):
                children = [left, *right]
            case ast.BinOp(left=left, op=op, right=only) if type(op) in _ARITHMETIC:
                children = [left, only]
            case ast.Constant(value=bool() | int() | float() | str()):
                children = []
            case _:
                raise self._error(Plain(ast.unparse(node)))
        for child in children:
            self._check(child)

    def _value(self, node: ast.AST, fields: Mapping[str, Any]) -> Any:
        name = _name(node)
        if name is not None:
            return fields.get(self._paths[name], _ABSENT)
        match node:
            case ast.Constant(value=value):
                return value
            case ast.BoolOp(op=op, values=values):
                every = (self._truth(value, fields) for value in values)
                return all(every) if isinstance(op, ast.And) else any(every)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self._truth(operand, fields)
            case ast.UnaryOp(operand=operand):
                return self._number(operator.neg, self._value(operand, fields))
            case ast.BinOp(left=left, op=op, right=right):
                return self._number(_ARITHMETIC[type(op)], self._value(left, fields), self._value(right, fields))
            case ast.Compare():
                return self._compare(node, fields)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return [self._value(element, fields) for element in elements]
        raise self._error(self.text)

    def _truth(self, node: ast.AST, fields: Mapping[str, Any]) -> bool:
        found = self._value(node, fields)
        return found is not _ABSENT and bool(found)

    def _compare(self, node: ast.Compare, fields: Mapping[str, Any]) -> bool:
        left = self._value(node.left, fields)
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self._value(comparator, fields)
            if left is _ABSENT or right is _ABSENT:
                return False
            a, b = _as_quantities(left, right) if isinstance(op, _ORDER) else (left, right)
            try:
                if not _COMPARE[type(op)](a, b):
                    return False
            except TypeError:
                raise self._error(Plain(f"{left!r} compared with {right!r}"), "values of one kind") from None
            left = right
        return True

    def _number(self, operation: Callable[..., Any], *values: Any) -> Any:
        if any(value is _ABSENT for value in values):
            return _ABSENT
        if not all(isinstance(value, int | float) for value in values):
            raise self._error(Plain("arithmetic with " + ", ".join(map(repr, values))), "arithmetic with numbers")
        try:
            return operation(*values)
        except ZeroDivisionError:
            raise self._error(Plain("a division by zero"), "a divisor other than 0") from None
        except OverflowError:
            raise self._error(Plain("arithmetic beyond all numbers"), "numbers below 1e308") from None

    def _is_whole(self, node: ast.AST) -> bool:
        """Not the inner part of a longer dotted name."""
        return not any(isinstance(outer, ast.Attribute) and outer.value is node for outer in ast.walk(self._tree)) and (
            not any(isinstance(call, ast.Call) and node in (call.func, *call.args) for call in ast.walk(self._tree))
        )

    def _error(self, found: object, allowed: str = _ALLOWED) -> InputError:
        return InputError(self._where, self._field, found, allowed)


def _name(node: ast.AST) -> str | None:
    """The dotted name, or the argument of ``field("…")``; None for anything else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            before = _name(value)
            return None if before is None or isinstance(value, ast.Call) else f"{before}.{attribute}"
        case ast.Call(func=ast.Name(id="field"), args=[ast.Constant(value=str(path))], keywords=[]):
            return path
    return None


def _as_quantities(left: Any, right: Any) -> tuple[Any, Any]:
    """Both in base units where both are quantities of one dimension; unchanged otherwise."""
    if not isinstance(left, str) or not isinstance(right, str):
        return left, right
    for dimension in DIMENSIONS:
        try:
            return tuple(parse_quantity(text, dimension, "condition", "") for text in (left, right))  # type: ignore[return-value]
        except InputError:
            continue
    return left, right
