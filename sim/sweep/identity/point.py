"""A point's identity, and the configuration that it is a seed and a version of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from moe_cosim.experiment import Experiment
from moe_cosim.sim.sweep.identity.digest import digest
from moe_cosim.sim.sweep.identity.files import FilesSeen, by_content, named_directly
from moe_cosim.sim.sweep.identity.sources import Sources

_NAMES: Final = ("name", "description")


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

    def of(self, experiment: Experiment) -> Identity:
        """Name and description do not count, and a file counts by its content, wherever it lies. The digests
        of the sources count, so that results of two versions are never taken for one another."""
        tree = experiment.model_dump(exclude=set(_NAMES))
        direct = {path: self._files.digest(path) for path in self._files.named_in(tree)}
        files = dict(direct)
        self._add_within(direct, files)
        sources = self._sources.of(experiment, files)
        document = {**_document(tree, files), "code": digest(sources)}
        return Identity(digest(document), files, sources)

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
    return digest(_document(_without_defaults(tree, Experiment), files))


def _without_defaults(tree: Mapping[str, Any], schema: type[BaseModel]) -> dict[str, Any]:
    """Only what the experiment chose: a field that a later version adds does not make it another one."""
    kept: dict[str, Any] = {}
    for name, value in tree.items():
        field = schema.model_fields.get(name)
        inner = field.annotation if field is not None else None
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, BaseModel):
            chosen = _without_defaults(value, inner)
            if chosen:
                kept[name] = chosen
        elif field is None or field.is_required() or value != field.get_default(call_default_factory=True):
            kept[name] = value
    return kept


def _document(tree: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    direct = named_directly(tree, files)
    within = sorted(found for path, found in files.items() if path not in direct)
    return {"experiment": by_content(tree, files), "within": within}
