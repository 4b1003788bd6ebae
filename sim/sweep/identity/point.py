"""A point's identity, and the configuration that it is a seed and a version of."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from moe_cosim.experiment import Experiment
from moe_cosim.sim.sweep.identity.digest import canonical, digest, digest_of_text
from moe_cosim.sim.sweep.identity.files import FilesSeen, by_content, named_directly
from moe_cosim.sim.sweep.identity.sources import Sources

_NAMES: Final = ("name", "description")
_MOST_PARTS: Final = 10_000
"""Parts of experiments that are remembered."""
_Written = tuple[str, frozenset[str]]
"""A part of an experiment as text, and the files that it names."""


@dataclass(frozen=True)
class Identity:
    """What a point is, and what it depends on."""

    id: str
    """32 hexadecimal digits over everything that decides the numbers."""
    files: dict[str, str]
    """Path and SHA-256 of every file of the user's that it reads."""
    sources: dict[str, str]
    """Digest of every component of code and catalogue that it uses."""


class Identities:
    """Identities of points, as files and code are now; each file is looked at once."""

    def __init__(self) -> None:
        self._files = FilesSeen()
        self._sources = Sources()
        self._named: dict[str, list[str]] = {}
        self._written: dict[tuple[str, frozenset[tuple[str, str]]], _Written] = {}
        self._codes: dict[frozenset[tuple[str, str]], str] = {}

    def of(self, experiment: Experiment) -> Identity:
        """Name and description do not count, and a file counts by its content, wherever it lies. The digests
        of the sources count, so that results of two versions are never taken for one another."""
        tree = experiment.model_dump(exclude=set(_NAMES))
        parts = {name: (canonical(part), part) for name, part in sorted(tree.items())}
        direct = {
            path: self._files.digest(path) for text, part in parts.values() for path in self._named_in(text, part)
        }
        files = dict(direct)
        self._add_within(direct, files)
        sources = self._sources.of(experiment, files)
        written = {name: self._by_content(text, part, files) for name, (text, part) in parts.items()}
        whole = ",".join(f'"{name}":{text}' for name, (text, _) in written.items())
        within = canonical(_others(files, {path for _, paths in written.values() for path in paths}))
        document = f'{{"code":"{self._code(sources)}","experiment":{{{whole}}},"within":{within}}}'
        return Identity(digest_of_text(document), files, sources)  # the digest of `_document` with the code's

    def _named_in(self, text: str, part: Any) -> list[str]:
        """Files that a part of an experiment names; parts with the same `text` are looked at once."""
        if text not in self._named:
            _make_room(self._named)
            self._named[text] = self._files.named_in(part)
        return self._named[text]

    def _by_content(self, text: str, part: Any, files: Mapping[str, str]) -> _Written:
        """The text of a part with what it names of `files` replaced by what is in it, and what that is."""
        if not files:
            return text, frozenset()
        chosen = text, frozenset(files.items())
        if chosen not in self._written:
            _make_room(self._written)
            self._written[chosen] = canonical(by_content(part, files)), frozenset(named_directly(part, files))
        return self._written[chosen]

    def _code(self, sources: Mapping[str, str]) -> str:
        chosen = frozenset(sources.items())
        if chosen not in self._codes:
            self._codes[chosen] = digest(sources)
        return self._codes[chosen]

    def _add_within(self, paths: Mapping[str, str], files: dict[str, str]) -> None:
        for path in paths:
            inner = {each: self._files.digest(each) for each in self._files.within(path) if each not in files}
            files.update(inner)
            self._add_within(inner, files)


def configuration_of(experiment: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """32 digits that points share which differ in the seed or in the version of the code alone.

    `experiment` is a resolved one as plain data; `files` are path and SHA-256 of those that it reads.
    """
    tree = {key: value for key, value in experiment.items() if key not in (*_NAMES, "seed")}
    tree["quantization"] = _without_old_defaults(tree.get("quantization", {}))
    return digest(_document(_without_defaults(tree, Experiment), files))


def _without_old_defaults(quantization: Mapping[str, Any]) -> dict[str, Any]:
    """Before parts had formats of their own, the default of the two that there were was fp16."""
    if "attention_format" in quantization:
        return dict(quantization)
    return {name: value for name, value in quantization.items() if not (name.endswith("_format") and value == "fp16")}


def _without_defaults(tree: Mapping[str, Any], schema: type[BaseModel]) -> dict[str, Any]:
    """Only what the experiment chose: a field that a later version adds does not make it another one."""
    kept: dict[str, Any] = {}
    parts, defaults = _parts(schema), _defaults(schema)
    for name, value in tree.items():
        if name in parts and isinstance(value, dict):
            chosen = _without_defaults(value, parts[name])
            if chosen:
                kept[name] = chosen
        elif name not in defaults or value != defaults[name]:
            kept[name] = value
    return kept


@cache
def _parts(schema: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Fields that are models themselves."""
    inner = {name: field.annotation for name, field in schema.model_fields.items()}
    return {name: kind for name, kind in inner.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}


@cache
def _defaults(schema: type[BaseModel]) -> dict[str, Any]:
    """Of the fields that have one."""
    fields = schema.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields if not field.is_required()}


def _document(tree: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    return {"experiment": by_content(tree, files), "within": _others(files, named_directly(tree, files))}


def _others(files: Mapping[str, str], direct: Container[str]) -> list[str]:
    """Contents of the files that the experiment does not name itself."""
    return sorted(found for path, found in files.items() if path not in direct)


def _make_room(memo: dict[Any, Any]) -> None:
    if len(memo) >= _MOST_PARTS:
        memo.clear()
