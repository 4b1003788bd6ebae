"""The sweep file: a base experiment, and what varies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from moe_cosim.errors import InputError, Plain, one_of
from moe_cosim.experiment import Experiment, find_experiment, load_experiment
from moe_cosim.schema import Count, Line, Size, check
from moe_cosim.yaml_file import read_yaml


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Latin(_Part):
    """A latin hypercube: `samples` points, each axis' range cut into as many strata, one point in each."""

    samples: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
    axes: dict[str, Any] = Field(min_length=1)
    seed: Size = 0


class VariantChoice(_Part):
    """One named alternative: another base, other settings, or both."""

    base: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict, alias="set")


class SweepFile(_Part):
    """As written. The points are the product of `variants`, `grid`, every group of `zip`, `latin` and `seeds`."""

    name: Line
    description: str = ""
    base: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict, alias="set")
    grid: dict[str, Any] = Field(default_factory=dict)
    zip: list[dict[str, Any]] = Field(default_factory=list)
    latin: Latin | None = None
    seeds: Count | None = None
    variants: dict[Line, VariantChoice] = Field(default_factory=dict)
    conditions: list[str] = Field(default_factory=list, alias="where")

    def axes(self) -> tuple[str, ...]:
        """The fields that vary, in the order of the file."""
        groups = [self.grid, *self.zip, self.latin.axes if self.latin else {}, {"seed": 0} if self.seeds else {}]
        return tuple(path for group in groups for path in group)


def find_sweep(source: str | Path) -> Path:
    """The file of a path, or of the name of a sweep that ships with the package. Raises `InputError` where there is
    none.
    """
    for path in (Path(source), _shipped() / f"{source}.yaml"):
        if os.path.isfile(path):  # unlike Path.is_file, does not raise for a name too long to be one
            return path
    allowed = f"a sweep file, or {one_of(sweep_names(), str(source))}"
    raise InputError(source, "sweep", Plain("no such file or name"), allowed)


def sweep_names() -> list[str]:
    """Sweeps that ship with the package."""
    return sorted(path.stem for path in _shipped().glob("*.yaml"))


def _shipped() -> Path:
    return Path(str(files("moe_cosim.experiments"))) / "sweeps"


def read_sweep(path: Path) -> SweepFile:
    """The sweep file at `path`. Raises `InputError`, also for a field that varies twice."""
    tree = read_yaml(path)
    tree.setdefault("name", path.stem)
    if isinstance(tree.get("where"), str):
        tree["where"] = [tree["where"]]
    if isinstance(tree.get("zip"), dict):
        tree["zip"] = [tree["zip"]]
    sweep = check(SweepFile, tree, path)
    seen: set[str] = set()
    for axis in sweep.axes():
        if axis in seen:
            raise InputError(path, axis, Plain("an axis that varies twice"), "each field in one place")
        seen.add(axis)
    for axis in sweep.axes():
        inside = [other for other in seen if other.startswith(f"{axis}.")]
        if inside:
            raise InputError(path, axis, Plain(f"an axis around the axis {inside[0]}"), "separate axes")
    if not seen and not sweep.variants:
        kinds = ("grid", "zip", "latin", "seeds", "variants")
        raise InputError(path, "grid", Plain("nothing that varies"), kinds)
    return sweep


def bases(sweep: SweepFile, path: Path, settings: Mapping[str, Any] | None = None) -> dict[str, Experiment]:
    """The experiment that each variant starts from, by the variant's name ("" where there are none).

    `settings` (the command line's) come after the file's. Paths are relative to the sweep file.
    """
    folder = path.parent
    if not sweep.variants:
        return {"": _load(sweep.base, {**sweep.settings, **(settings or {})}, path, "base", folder)}
    return {
        name: _load(
            variant.base or sweep.base,
            {**sweep.settings, **variant.settings, **(settings or {})},
            path,
            f"variants.{name}.base" if variant.base else "base",
            folder,
        )
        for name, variant in sweep.variants.items()
    }


_FILES: Final = (
    "model",
    "machine.use",
    "routing.file",
    "quantization.losses",
    "workload.verify.acceptance",
    "workload.verify.draft.model",
)
"""Fields of an experiment that may name a file."""


def beside(path: str, value: Any, folder: Path) -> Any:
    """`value` of the field `path`, with the file it names made absolute where it lies beside the sweep."""
    if path in _FILES and isinstance(value, str):
        return str((folder / value).resolve()) if os.path.isfile(folder / value) else value
    if isinstance(value, dict):
        return {key: beside(f"{path}.{key}", inner, folder) for key, inner in value.items()}
    return value


def _load(base: str | None, settings: Mapping[str, Any], path: Path, field: str, folder: Path) -> Experiment:
    if base is None:
        raise InputError(path, field, Plain("nothing"), "the experiment to start from: a file or a shipped name")
    source = folder / base if os.path.isfile(folder / base) else base
    try:
        find_experiment(source)
    except InputError as error:
        raise InputError(path, field, base, error.allowed) from None
    return load_experiment(source, {key: beside(key, value, folder) for key, value in settings.items()})
