"""Docstrings of public names: they are there, and say what a signature leaves open: shapes, errors, sources.

A public name is a module, or a class, a function or a method (`__init__` with its class) without an underscore in
front. A method has the docstring of the one it overrides, which is why this is not interrogate; a plug-in's
``summary``, which lists and guides print, stands for its class's; a contract's ``test_…`` says itself what it holds.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.test_names import CODE, ROOT, files

WANTED_SHARE = 0.95
ARRAYS = ("NDArray", "ndarray")
ERRORS = ("InputError", "RunError")
_SHAPE = re.compile(r"\[[^\[\]]+\]|\bshapes?\b|\bbroadcast")
_SOURCE = re.compile(r"arXiv \d{4}\.\d{4,5}|\b(19|20)\d\d\b|\bSources?: ")

UNWRITTEN = {
    "hw_models/dram_timing": "recorded answers that come with the package are kept by a digest of these files",
}
"""Folders whose text cannot change now, and why."""
OUR_OWN = ("AllOnGpu", "OnDemand")
"""Policies that no publication describes."""


@dataclass(frozen=True)
class Field:
    """Of a class; `text` is the string below it, `line` its last one."""

    name: str
    annotation: ast.expr | None
    value: ast.expr | None
    text: str
    line: int


@dataclass(frozen=True)
class Name:
    """A public name: where it is, what Python's parser says of it, and the class that it is a member of."""

    path: str
    title: str
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    owner: ast.ClassDef | None = None

    @property
    def place(self) -> str:
        return f"{self.path}: {self.title}"

    @property
    def bases(self) -> list[ast.ClassDef]:
        return [] if self.owner is None else bases_of(self.owner)

    @property
    def text(self) -> str:
        """Its docstring; of a method without one, that of the method which it overrides."""
        overridden = (member for base in self.bases for member in functions(base) if member.name == self.title_of_node)
        return next(filter(None, map(docstring, (self.node, *overridden))), "")

    @property
    def title_of_node(self) -> str:
        return getattr(self.node, "name", "")

    @property
    def all_text(self) -> str:
        """With those of its class and of the classes that this builds on, which may say it for all members."""
        return " ".join([self.text, *([] if self.owner is None else map(docstring, (self.owner, *self.bases)))])


def docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """A class without one has its ``summary``."""
    said = ast.get_docstring(node) or ""
    if said or not isinstance(node, ast.ClassDef):
        return said
    return next((ast.unparse(each.value) for each in fields(node) if each.name == "summary" and each.value), "")


@cache
def lines(path: str) -> list[str]:
    return (ROOT / path).read_text(encoding="utf-8").splitlines()


@cache
def trees() -> dict[str, ast.Module]:
    paths = [str(path.relative_to(ROOT)) for path in files(CODE, ".py")]
    return {path: ast.parse("\n".join(lines(path))) for path in paths}


@cache
def classes() -> dict[str, ast.ClassDef]:
    """By name, which is unique among public ones (`test_no_two_classes_have_one_name`)."""
    return {node.name: node for tree in trees().values() for node in tree.body if isinstance(node, ast.ClassDef)}


def bases_of(node: ast.ClassDef) -> list[ast.ClassDef]:
    """Those of ours, the nearest first."""
    names = (ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases)
    found = [classes()[name] for name in names if name in classes() and name != node.name]
    return found + [further for each in found for further in bases_of(each)]


def functions(node: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Without setters and overloads, whose docstring is that of the getter and of what they overload."""
    for member in node.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = [ast.unparse(each) for each in member.decorator_list]
            if not any(each.endswith((".setter", "overload")) for each in decorators):
                yield member


def fields(node: ast.ClassDef) -> Iterator[Field]:
    for member, below in zip(node.body, [*node.body[1:], None], strict=True):
        text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and str(below.value.value)
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
            yield Field(member.target.id, member.annotation, member.value, text or "", member.end_lineno or 0)
        elif isinstance(member, ast.Assign) and isinstance(member.targets[0], ast.Name):
            yield Field(member.targets[0].id, None, member.value, text or "", member.end_lineno or 0)


def names(tree: ast.Module, path: str) -> Iterator[Name]:
    yield Name(path, "the module", tree)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield Name(path, node.name, node)
            for member in functions(node):
                if not member.name.startswith(("_", "test_")):
                    yield Name(path, f"{node.name}.{member.name}", member, node)
    yield from (Name(path, each.name, each) for each in functions(tree) if not each.name.startswith("_"))


@cache
def public_names() -> list[Name]:
    return [name for path, tree in trees().items() for name in names(tree, path)]


def written(found: list[str]) -> list[str]:
    return [place for place in found if not place.startswith(tuple(UNWRITTEN))]


def arrays_named() -> set[str]:
    """NumPy's names of arrays, and modules' own names for arrays of one type."""
    own = {
        node.targets[0].id
        for tree in trees().values()
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Subscript)
        if any(isinstance(each, ast.Name) and each.id in ARRAYS for each in ast.walk(node.value))
    }
    return own | set(ARRAYS)


def raised(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Our errors that the body itself raises."""
    calls = [each.exc.func for each in ast.walk(node) if isinstance(each, ast.Raise) and isinstance(each.exc, ast.Call)]
    return {call.id for call in calls if isinstance(call, ast.Name) and call.id in ERRORS}


def is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(".command(" in ast.unparse(each) for each in node.decorator_list)


def test_public_names_have_docstrings() -> None:
    everything = public_names()
    missing = [name.place for name in everything if not name.text]
    assert len(everything) > 3000
    assert len(missing) <= (1 - WANTED_SHARE) * len(everything), "\n".join(missing)


def test_arrays_have_their_shapes() -> None:
    """As ``[tokens, layers]``, or by how arguments broadcast: in the docstring, beside the field, or in its class's."""
    kinds = arrays_named()

    def holds_arrays(annotation: ast.expr | None) -> bool:
        return annotation is not None and any(isinstance(e, ast.Name) and e.id in kinds for e in ast.walk(annotation))

    found = []
    for name in public_names():
        if isinstance(name.node, ast.ClassDef):
            for field in fields(name.node):
                comment = lines(name.path)[field.line - 1].partition("#")[2]
                said = f"{docstring(name.node)} {field.text} {comment}"
                if holds_arrays(field.annotation) and not field.name.startswith("_") and not _SHAPE.search(said):
                    found.append(f"{name.place}.{field.name}")
        elif not isinstance(name.node, ast.Module):
            signature = name.node.args
            arguments = [*signature.posonlyargs, *signature.args, *signature.kwonlyargs, signature.vararg]
            annotations = [name.node.returns, *(each.annotation for each in arguments if each is not None)]
            if any(map(holds_arrays, annotations)) and not _SHAPE.search(name.all_text):
                found.append(name.place)
    assert written(found) == []


def test_errors_are_named_where_they_are_raised() -> None:
    """Not by commands, whose docstring is what ``--help`` prints."""
    found = [
        f"{name.place}: {error}"
        for name in public_names()
        if isinstance(name.node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_command(name.node)
        for error in sorted(raised(name.node))
        if error not in name.all_text
    ]
    assert written(found) == []


def test_what_follows_a_publication_names_it() -> None:
    """Policies and reproductions: in the text of the module, or of the class that is registered."""
    registered = [
        (path, tree, node)
        for path, tree in trees().items()
        if path.startswith(("workloads/policies/", "sim/reproduce/papers/"))
        for node in tree.body
        if isinstance(node, ast.ClassDef) and any(".register(" in ast.unparse(each) for each in node.decorator_list)
    ]
    assert len(registered) > 20
    found = [
        f"{path}: {node.name}"
        for path, tree, node in registered
        if node.name not in OUR_OWN and not _SOURCE.search(f"{docstring(tree)} {docstring(node)}")
    ]
    assert found == []
