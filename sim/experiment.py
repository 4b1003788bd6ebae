"""The experiment: which machine, model, routing, precision, policy and engine, and how much work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from moe_cosim.errors import InputError, Plain, one_of
from moe_cosim.schema import Count, Size, check
from moe_cosim.yaml_file import parse_yaml, read_yaml
from workloads.workload import Workload


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MachineChoice(_Part):
    """A machine of the catalogue (or a path) and fields of its description to replace."""

    use: Annotated[str, Field(strict=True, min_length=1)]
    set: dict[str, Any] = Field(default_factory=dict)


class WorkloadChoice(_Part):
    batch: Count = 1
    prompt_tokens: Count
    output_tokens: Count

    def workload(self) -> Workload:
        return Workload(self.batch, self.prompt_tokens, self.output_tokens)


class QuantizationChoice(_Part):
    """Precisions. `average_bits` and `allocation` matter to policies that mix widths."""

    expert_format: str = "fp16"
    dense_format: str = "fp16"
    average_bits: Annotated[float, Field(ge=1, le=16)] | None = None
    allocation: str = "prefix"
    losses: str = "synthetic"
    """``synthetic``, or the path of a loss table."""


class Experiment(_Part):
    """One configuration, fully resolved. `routing` and `policy` carry their plug-in's own options."""

    name: Annotated[str, Field(strict=True, min_length=1)]
    description: str = ""
    machine: MachineChoice
    model: Annotated[str, Field(strict=True, min_length=1)]
    routing: dict[str, Any]
    workload: WorkloadChoice
    quantization: QuantizationChoice = QuantizationChoice()
    policy: dict[str, Any]
    engine: Annotated[str, Field(strict=True)] = "embedded"
    assumptions: dict[str, Any] = Field(default_factory=dict)
    seed: Size = 0

    @property
    def where(self) -> str:
        return f"experiment {self.name}"

    def with_settings(self, settings: Mapping[str, Any]) -> Experiment:
        """A copy with fields replaced: ``{"workload.batch": 4, "assumptions.cxl-link-rate": "32 GB/s"}``."""
        tree = self.model_dump()
        _apply(tree, settings, self.where)
        return check(Experiment, tree, self.where)

    def to_yaml(self) -> str:
        """The resolved experiment: loading this text gives an equal one."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, allow_unicode=True)


def load_experiment(source: str | Path, settings: Mapping[str, Any] | None = None) -> Experiment:
    """An experiment by path, or by the name of one that ships with the package."""
    path = find_experiment(source)
    tree = read_yaml(path)
    if isinstance(tree.get("machine"), str):
        tree["machine"] = {"use": tree["machine"]}
    if isinstance(tree.get("policy"), str):
        tree["policy"] = {"name": tree["policy"]}
    if isinstance(tree.get("routing"), dict):
        _resolve_paths(tree, path.parent)
    _apply(tree, settings or {}, path)
    return check(Experiment, tree, path)


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """``path=value`` texts of the command line; values are read as YAML."""
    settings: dict[str, Any] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            raise InputError("--set", "path=value", text, "such as workload.batch=4")
        settings[path.strip()] = parse_yaml(f"value: {value}", f"--set {path.strip()}")["value"]
    return settings


def experiment_names() -> list[str]:
    """Experiments that ship with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _shipped().iterdir() if entry.name.endswith(".yaml"))


def find_experiment(source: str | Path) -> Path:
    """The file of a path or a shipped name; `InputError` where there is none."""
    path = Path(source)
    if path.is_file():
        return path
    shipped = _shipped() / f"{source}.yaml"
    if shipped.is_file():
        return shipped
    allowed = f"an experiment file, or {one_of(experiment_names(), str(source))}"
    raise InputError(source, "experiment", Plain("no such file or name"), allowed)


def _shipped() -> Path:
    return Path(str(files("experiments")))


def _resolve_paths(tree: dict[str, Any], folder: Path) -> None:
    """Files named in an experiment are relative to it."""
    routing = tree["routing"]
    if isinstance(routing.get("file"), str):
        routing["file"] = str((folder / routing["file"]).resolve())
    quantization = tree.get("quantization")
    if isinstance(quantization, dict) and isinstance(quantization.get("losses"), str):
        losses = quantization["losses"]
        if losses != "synthetic":
            quantization["losses"] = str((folder / losses).resolve())
    for key, value in (("model", tree.get("model")), ("use", tree.get("machine", {}).get("use"))):
        if isinstance(value, str) and (folder / value).is_file():
            (tree if key == "model" else tree["machine"])[key] = str((folder / value).resolve())


def _apply(tree: dict[str, Any], settings: Mapping[str, Any], where: object) -> None:
    """Put each dotted path's value into the tree. Below `assumptions` and `machine.set` the rest is one key."""
    for dotted, value in settings.items():
        steps = _steps(dotted)
        node: Any = tree
        for step in steps[:-1]:
            if not isinstance(node, dict):
                raise InputError(where, dotted, Plain("a path through a value"), "a path through mappings")
            node = node.setdefault(step, {})
        if not isinstance(node, dict):
            raise InputError(where, dotted, Plain("a path through a value"), "a path through mappings")
        node[steps[-1]] = value


def _steps(dotted: str) -> list[str]:
    for prefix in ("assumptions.", "machine.set."):
        if dotted.startswith(prefix):
            return [*prefix.rstrip(".").split("."), dotted.removeprefix(prefix)]
    return dotted.split(".")
