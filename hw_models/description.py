"""Reading a description: a YAML mapping whose every constant says where it comes from.

A constant is written in one of three ways

    peak: {value: "3.35 TB/s", source: "data sheet"}
    window: {assume: gpu-window}
    share: {assume: my-share, value: 0.9, range: [0.4, 1.0], source: "why 0.9, why this range"}

The second form names an assumption that `hw_models/catalog/assumptions.yaml` declares, because
several descriptions make it. An experiment may replace any constant by a plain value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.escape import printable
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.merge import Places
from moe_cosim.quantity import format_quantity, parse_quantity
from moe_cosim.registry import Registry
from moe_cosim.remembered import Stamp, stamp

T = TypeVar("T")

CONSTANT_FORMS = "{value: ..., source: ...} or {assume: name} (a constant says where it comes from)"
SET_BY_EXPERIMENT = "set by the experiment"
_MOST_PS = 2**50
"""20 minutes: sums of a run's latencies stay below 2**63."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+ -]*")


@dataclass(frozen=True)
class Origin:
    """Where one constant of a machine comes from."""

    field: str
    """Full path in the machine, for example ``devices.gpu.memories.hbm.peak``."""
    value: str
    source: str
    assumption: str = ""
    """Name of the assumption, or empty."""


@dataclass
class Reading:
    """What the reading of one machine collects: assumptions made, and the origin of every constant."""

    assumptions: Assumptions
    shared: Mapping[str, Any] = field(default_factory=dict)
    """Declarations of the assumptions that descriptions may name without declaring."""
    shared_where: str = ""
    declared: dict[str, Assumption] = field(default_factory=dict)
    origins: list[Origin] = field(default_factory=list)
    files: dict[Path, Stamp] = field(default_factory=dict)
    """Every description that was read."""

    def read(self, path: Path, kind: str) -> dict[str, Any]:
        """The description of this kind in `path`."""
        self.files[path] = stamp(path)
        return catalog.read(path, kind)

    def apart(self, assumptions: Assumptions) -> Reading:
        """Another, to read a part of the machine with."""
        files = {path: was for path, was in self.files.items() if str(path) == self.shared_where}
        return Reading(assumptions, self.shared, self.shared_where, files=files)

    def take_over(self, part: Reading) -> None:
        """What the reading of a part of the machine has collected."""
        self.declared.update(part.declared)
        self.origins.extend(part.origins)
        self.files.update(part.files)

    def agrees(self, part: Reading) -> bool:
        """Whether nothing in that part is declared otherwise than here."""
        return all(self.declared.get(name, other) == other for name, other in part.declared.items())

    def resolve(self, assumption: Assumption, where: str, path: str) -> Assumption:
        """The assumption as this run makes it; one name must be declared the same everywhere. Raises `InputError` at
        the second declaration that says otherwise.
        """
        first = self.declared.setdefault(assumption.name, assumption)
        if first != assumption:
            found = Plain(f"{assumption.name} declared again with another value, range, source or dimension")
            raise InputError(where, path, found, f"the declaration made first: {first.as_dict()}")
        return self.assumptions.resolve(assumption)


class Fields:
    """One mapping of a description. Readers raise `InputError` naming the file and the field."""

    def __init__(self, node: object, reading: Reading, places: Places, path: str = "") -> None:
        self.path = path
        self.reading = reading
        self._places = places
        if not isinstance(node, Mapping):
            raise self.error("", node, "a mapping of fields")
        self._node: Mapping[str, Any] = node

    def __contains__(self, name: str) -> bool:
        return name in self._node

    def error(self, name: str, found: object, allowed: str | Iterable[str]) -> InputError:
        """What is to be raised about field `name`: it gives the file that set it and the path there."""
        where, path = self.place(name)
        return InputError(where, path, found, allowed)

    def place(self, name: str) -> tuple[object, str]:
        """(where, field) that an error about `name` gives."""
        where, path = self._places.locate(self._join(name))
        return where, path or "file"

    def only(self, *names: str, optional: Iterable[str] = ()) -> None:
        """Refuse fields that are not in `names` or `optional`, and the absence of one in `names`."""
        legal = [*names, *optional]
        for name in self._node:
            if name not in legal:
                raise self.error(name, Plain("an unknown field"), legal)
        for name in names:
            if name not in self._node:
                raise self.error(name, Plain("nothing"), "this field must be given")

    def child(self, name: str) -> Fields:
        """The mapping that field `name` holds."""
        return Fields(self._node[name], self.reading, self._places, self._join(name))

    def children(self, name: str) -> Iterator[tuple[str, Fields]]:
        """(name, fields) of each entry of the mapping `name`; nothing when it is absent."""
        if name in self._node:
            group = self.child(name)
            for entry in group._node:
                if not _NAME.fullmatch(entry):  # parts are addressed with dots, and files named after devices
                    raise group.error(entry, Plain("such a name"), "a name of letters, digits, blanks, -, + and _")
                yield entry, group.child(entry)

    def described(self, name: str, kind: str) -> Fields:
        """What the description of that kind says which `name` names: one of the catalogue, or a file."""
        where, path = self.place(name)
        file = catalog.find(self.text(name), kind, where, path)
        below = self._places.below(self._join(name), str(file))
        return Fields(self.reading.read(file, kind), self.reading, below)

    def items(self) -> list[tuple[str, Any]]:
        """Fields and values as they are written, constants unread."""
        return list(self._node.items())

    # -- structure: words and lists that are choices of the design, not measurements ---------

    def text(self, name: str, default: str | None = None) -> str:
        """One line of printable text; `default` where the field is absent."""
        value = self._node.get(name, default)
        if not isinstance(value, str) or printable(value) != value:
            raise self.error(name, value, "text on one line")
        return value

    def word(self, name: str, legal: Iterable[str]) -> str:
        """One of the `legal` words."""
        legal = list(legal)
        value = self.text(name)
        if value not in legal:
            raise self.error(name, value, legal)
        return value

    def registered(self, name: str, registry: Registry[T]) -> T:
        """The plug-in whose name stands there."""
        return registry.get(self.text(name), *self.place(name))

    def words(self, name: str) -> tuple[str, ...]:
        """A list of words that is not empty."""
        value = self._node[name]
        if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
            raise self.error(name, value, "a list of words")
        return tuple(value)

    def flag(self, name: str) -> bool:
        """True or false; false where the field is absent."""
        value = self._node.get(name, False)
        if not isinstance(value, bool):
            raise self.error(name, value, "true or false")
        return value

    def count(self, name: str, default: int, most: int = 1024) -> int:
        """A whole number from 1 to `most` without a unit; `default` where the field is absent."""
        value = self._node.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.error(name, value, "a whole number of at least 1")
        if value > most:
            raise self.error(name, value, f"at most {most}")
        return value

    # -- constants ---------------------------------------------------------------------------

    def quantity(self, name: str, dimension: str) -> float:
        """The constant `name` in the base unit of `dimension` (see `moe_cosim.quantity`)."""
        return self._quantity(name, dimension, lambda _: True, "")

    def whole(self, name: str, dimension: str = "number", most: int = 2**53) -> int:
        """As `quantity`, and refuses fractions, zero and more than `most`."""
        value = self._quantity(name, dimension, lambda v: v == int(v) and v >= 1, "a whole number of at least 1")
        if value > most:
            found = Plain(format_quantity(value, dimension))
            raise self.error(name, found, f"at most {format_quantity(most, dimension)}")
        return int(value)

    def time_ps(self, name: str) -> int:
        """A constant time in ps, rounded; longer ones than the clocks hold are refused."""
        value = self.quantity(name, "ps")
        if value > _MOST_PS:
            raise self.error(name, Plain(format_quantity(value, "ps")), f"at most {format_quantity(_MOST_PS, 'ps')}")
        return round(value)

    def positive(self, name: str, dimension: str) -> float:
        """As `quantity`, and refuses zero and less."""
        return self._quantity(name, dimension, lambda v: v > 0, "more than zero")

    def finite(self, name: str, dimension: str) -> float:
        """As `positive`, and refuses ``unlimited``."""
        value = self.positive(name, dimension)
        if math.isinf(value):
            raise self.error(name, Plain("unlimited"), "a limit")
        return value

    def share(self, name: str) -> float:
        """A constant in (0, 1]."""
        return self._quantity(name, "number", lambda v: 0 < v <= 1, "a share in (0, 1]")

    def choice(self, name: str, legal: Iterable[str]) -> str:
        """A constant that is a word, as which dataflow an array has."""
        legal = list(legal)
        value = self._constant(name, "choice")
        if value not in legal:
            raise self.error(name, value, legal)
        return str(value)

    def _quantity(self, name: str, dimension: str, holds: Callable[[float], bool], allowed: str) -> float:
        text = self._constant(name, dimension)
        where, path = self._places.locate(self._join(name))
        value = parse_quantity(text, dimension, where, path)
        if not holds(value):
            raise InputError(where, path, text, allowed)
        return value

    def _constant(self, name: str, dimension: str) -> Any:
        node = self._node.get(name)
        where, path = self._places.locate(self._join(name))
        if not isinstance(node, Mapping):
            if node is not None and self._places.set_by_experiment(self._join(name)):
                return self._note(name, node, SET_BY_EXPERIMENT)
            raise InputError(where, path, Plain("nothing") if node is None else node, CONSTANT_FORMS)
        legal = ("assume", "value", "range", "source") if "assume" in node else ("value", "source")
        for key in node:
            if key not in legal:
                raise self.error(f"{name}.{key}", Plain("an unknown field"), legal)
        if "assume" in node:
            assumption = self._assumption(node, dimension, where, path)
            resolved = self.reading.resolve(assumption, where, path)
            return self._note(name, resolved.value, resolved.source, resolved.name)
        if "value" not in node:
            raise InputError(where, path, dict(node), CONSTANT_FORMS)
        source = node.get("source")
        if not isinstance(source, str) or not source.strip():
            raise InputError(where, f"{path}.source", source, "text that says where the value comes from")
        return self._note(name, node["value"], source)

    def _assumption(self, node: Mapping[str, Any], dimension: str, where: str, path: str) -> Assumption:
        name, declaration = node["assume"], node
        if not isinstance(name, str):
            raise InputError(where, f"{path}.assume", name, "the name of an assumption")
        if len(node) == 1:
            if name not in self.reading.shared:
                raise InputError(where, f"{path}.assume", name, self.reading.shared)
            declaration = {"assume": name, **self.reading.shared[name]}
            where, path = self.reading.shared_where, name
        legal = ["assume", "value", "range", "source"]
        for key in declaration:
            if key not in legal:
                raise InputError(where, f"{path}.{key}", Plain("an unknown field"), legal)
        for key in legal:
            if key not in declaration:
                raise InputError(where, f"{path}.{key}", Plain("nothing"), "an assumption has value, range and source")
        limits, source = declaration["range"], declaration["source"]
        if not isinstance(limits, list) or (len(limits) != 2 if dimension != "choice" else not limits):
            raise InputError(where, f"{path}.range", limits, "[low, high], or every allowed word of a choice")
        if not isinstance(source, str) or not source.strip():
            raise InputError(where, f"{path}.source", source, "text: the source, or the reason for the default")
        if dimension != "choice":
            for key, text in (("value", declaration["value"]), ("range", limits[0]), ("range", limits[1])):
                parse_quantity(text, dimension, where, f"{path}.{key}")
        return Assumption(name, declaration["value"], tuple(limits), source, dimension)

    def _note(self, name: str, value: Any, source: str, assumption: str = "") -> Any:
        full = self._places.full(self._join(name))
        self.reading.origins.append(Origin(full, str(value), source, assumption))
        return value

    def _join(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path and name else self.path or name
