"""Docstrings of public names: they are there, and say what a signature leaves open: shapes, units, errors, sources.

A public name is a module, or a class, a function or a method (`__init__` with its class) without an underscore in
front. A method has the docstring of the one it overrides, which interrogate does not know: hence this. A plug-in's
``summary``, which lists and guides print, stands for its class's; a contract's ``test_…`` says itself what it holds.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from tests.test_names import CODE, ROOT, files

WANTED_SHARE: Final = 0.95
ERRORS: Final = ("InputError", "RunError")
UNWRITTEN: Final = {
    "hw_models/dram_timing": "recorded answers that come with the package are kept by a digest of these files",
}
"""Folders whose text cannot change now, and why."""
OUR_OWN: Final = ("AllOnGpu", "OnDemand")
"""Policies that no publication describes."""

_ARRAYS: Final = ("NDArray", "ndarray")
_SHAPE: Final = re.compile(r"\[[^\[\]]+\]|\bshapes?\b|\bbroadcast")
_NUMBERS: Final = re.compile(r"\b(float|int|NDArray|ArrayLike|Ints|Floats|[IF]\d\d)\b")
_QUANTITY: Final = re.compile(r"(^|_)(times?|latency|latencies|delay|duration|rates?|bandwidths?|energy|power)$")
"""Names that say of what but not in what, as ``rate_bytes_per_s`` does."""
_UNIT: Final = re.compile(r"\b(ps|ns|us|ms|s|Hz|J|W|joules|watts|clocks|share|over|seconds?|bytes?)\b")
_SOURCE: Final = re.compile(r"arXiv \d{4}\.\d{4,5}|\b(19|20)\d\d\b|\bSources?: ")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Node = ast.Module | ast.ClassDef | Function


@dataclass(frozen=True)
class Code:
    """A module: its path, its lines, and what Python's parser makes of them."""

    path: str
    lines: list[str]
    tree: ast.Module

    @classmethod
    def of(cls, path: str, text: str) -> "Code":
        return cls(path, text.splitlines(), ast.parse(text))


@dataclass(frozen=True)
class Field:
    """Of a class; `text` is the string below it and the comment behind it."""

    name: str
    annotation: ast.expr | None
    value: ast.expr | None
    text: str


@dataclass(frozen=True)
class Name:
    """A public name, and the class that it is a member of."""

    code: Code
    title: str
    node: Node
    owner: ast.ClassDef | None = None

    @property
    def place(self) -> str:
        return f"{self.code.path}: {self.title}"

    @property
    def text(self) -> str:
        """Its docstring; of a method without one, that of the method which it overrides."""
        member = self.title.rpartition(".")[2]
        above = [] if self.owner is None else bases_of(self.owner)
        overridden = (each for base in above for each in functions(base) if each.name == member)
        return next(filter(None, map(docstring, (self.node, *overridden))), "")

    @property
    def all_text(self) -> str:
        """With those of its class and of the classes that this builds on, which may speak for all members."""
        classes = [] if self.owner is None else [self.owner, *bases_of(self.owner)]
        return " ".join([self.text, *map(docstring, classes)])

    def parts(self) -> Iterator[tuple[str, ast.expr, str]]:
        """(what, annotation, text about it) of a class's public fields, or of a function's parameters and result."""
        if isinstance(self.node, ast.ClassDef):
            for field in fields(self.node, self.code.lines):
                if field.annotation is not None and not field.name.startswith("_"):
                    yield field.name, field.annotation, f"{docstring(self.node)} {field.text}"
        elif isinstance(self.node, Function):
            given = self.node.args
            for each in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg):
                if each is not None and each.annotation is not None:
                    yield each.arg, each.annotation, self.all_text
            if self.node.returns is not None:
                yield self.node.name, self.node.returns, self.all_text


@cache
def modules() -> list[Code]:
    return [Code.of(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in files(CODE, ".py")]


@cache
def public_names() -> list[Name]:
    return [name for code in modules() for name in names(code)]


@cache
def classes() -> dict[str, ast.ClassDef]:
    """By name, which is unique among public ones (`test_no_two_classes_have_one_name`)."""
    return {node.name: node for code in modules() for node in code.tree.body if isinstance(node, ast.ClassDef)}


@cache
def arrays() -> set[str]:
    """NumPy's names of arrays, and modules' own names for arrays of one type."""
    assigned = [node for code in modules() for node in code.tree.body if isinstance(node, ast.Assign)]
    own = {
        ast.unparse(each.targets[0]) for each in assigned if isinstance(each.value, ast.Subscript) and of_arrays(each)
    }
    return own | set(_ARRAYS)


def of_arrays(node: ast.AST, kinds: Iterable[str] = _ARRAYS) -> bool:
    return any(isinstance(each, ast.Name) and each.id in kinds for each in ast.walk(node))


def bases_of(node: ast.ClassDef) -> list[ast.ClassDef]:
    """Those of ours, the nearest first."""
    named = (ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases)
    found = [classes()[name] for name in named if name in classes() and name != node.name]
    return found + [further for each in found for further in bases_of(each)]


def functions(node: ast.Module | ast.ClassDef) -> Iterator[Function]:
    """Without setters and overloads, whose docstring is that of the getter and of what they overload."""
    for member in node.body:
        if isinstance(member, Function):
            decorators = [ast.unparse(each) for each in member.decorator_list]
            if not any(each.endswith((".setter", "overload")) for each in decorators):
                yield member


def fields(node: ast.ClassDef, lines: list[str]) -> Iterator[Field]:
    for member, below in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(member, ast.AnnAssign | ast.Assign):
            target = member.target if isinstance(member, ast.AnnAssign) else member.targets[0]
            annotation = member.annotation if isinstance(member, ast.AnnAssign) else None
            text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and str(below.value.value)
            comment = lines[(member.end_lineno or 0) - 1].partition("#")[2] if lines else ""
            yield Field(ast.unparse(target), annotation, member.value, f"{text or ''} {comment}")


def docstring(node: Node) -> str:
    """A class without one has its ``summary``."""
    said = ast.get_docstring(node) or ""
    if said or not isinstance(node, ast.ClassDef):
        return said
    return next((ast.unparse(each.value) for each in fields(node, []) if each.name == "summary" and each.value), "")


def names(code: Code) -> Iterator[Name]:
    yield Name(code, "the module", code.tree)
    for node in code.tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield Name(code, node.name, node)
            for member in functions(node):
                if not member.name.startswith(("_", "test_")):
                    yield Name(code, f"{node.name}.{member.name}", member, node)
    yield from (Name(code, each.name, each) for each in functions(code.tree) if not each.name.startswith("_"))


def raised(node: Function) -> set[str]:
    """Our errors that the body itself raises; not of commands, whose docstring is what ``--help`` prints."""
    if any(".command(" in ast.unparse(each) for each in node.decorator_list):
        return set()
    calls = [each.exc.func for each in ast.walk(node) if isinstance(each, ast.Raise) and isinstance(each.exc, ast.Call)]
    return {call.id for call in calls if isinstance(call, ast.Name) and call.id in ERRORS}


def without_docstring(found: Iterable[Name]) -> list[str]:
    return [name.place for name in found if not name.text]


def without_shape(found: Iterable[Name]) -> list[str]:
    """Arrays of which nothing says ``[tokens, layers]``, or how arguments broadcast."""
    return [
        f"{name.place}: {what}"
        for name in found
        for what, annotation, text in name.parts()
        if of_arrays(annotation, arrays()) and not _SHAPE.search(text)
    ]


def without_unit(found: Iterable[Name]) -> list[str]:
    """Quantities with a unit neither in their name nor in the text about them."""
    return [
        f"{name.place}: {what}"
        for name in found
        for what, annotation, text in name.parts()
        if _QUANTITY.search(what) and _NUMBERS.search(ast.unparse(annotation)) and not _UNIT.search(text)
    ]


def without_error(found: Iterable[Name]) -> list[str]:
    return [
        f"{name.place}: {error}"
        for name in found
        if isinstance(name.node, Function)
        for error in sorted(raised(name.node))
        if error not in name.all_text
    ]


def without_source(found: Iterable[Name]) -> list[str]:
    """Registered policies and reproductions whose text, or whose module's, names no publication."""
    return [
        name.place
        for name in found
        if isinstance(name.node, ast.ClassDef) and name.node.name not in OUR_OWN
        if name.code.path.startswith(("workloads/policies/", "workloads/neurons/policies/", "sim/reproduce/papers/"))
        if any(".register(" in ast.unparse(each) for each in name.node.decorator_list)
        if not _SOURCE.search(f"{docstring(name.code.tree)} {docstring(name.node)}")
    ]


def written(places: Iterable[str]) -> list[str]:
    return [place for place in places if not place.startswith(tuple(UNWRITTEN))]


def test_public_names_have_docstrings() -> None:
    everything = public_names()
    missing = without_docstring(everything)
    assert len(everything) > 3000
    assert len(missing) <= (1 - WANTED_SHARE) * len(everything), "\n".join(missing)


def test_arrays_have_their_shapes() -> None:
    assert written(without_shape(public_names())) == []


def test_quantities_have_units() -> None:
    assert written(without_unit(public_names())) == []


def test_errors_are_named_where_they_are_raised() -> None:
    assert written(without_error(public_names())) == []


def test_what_follows_a_publication_names_it() -> None:
    assert without_source(public_names()) == []


SAMPLE: Final = '''
@policies.register("sample")
class Sample:
    """Without a source."""

    times: NDArray[np.int64]
    rate: float
    """Bytes per second."""
    shares: NDArray[np.float64]  # [n]

    def bare(self) -> None: ...

    def mean(self, loads: NDArray[np.float64]) -> float:
        """Of `loads` [n]."""
        if not len(loads):
            raise InputError("sample", "loads", "none", "some")

    def busiest(self, loads: NDArray[np.float64]) -> int:
        """Where they are most."""

    def _private(self) -> None: ...
'''


def test_each_rule_finds_what_it_should() -> None:
    path = "workloads/policies/base.py"
    found = list(names(Code.of(path, SAMPLE)))
    assert without_docstring(found) == [f"{path}: the module", f"{path}: Sample.bare"]
    assert without_shape(found) == [f"{path}: Sample: times", f"{path}: Sample.busiest: loads"]
    assert without_unit(found) == [f"{path}: Sample: times"]
    assert without_error(found) == [f"{path}: Sample.mean: InputError"]
    assert without_source(found) == [f"{path}: Sample"]
