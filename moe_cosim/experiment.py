"""The experiment: which machine, model, routing, precision, policy and engine, and how much work."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from moe_cosim.errors import InputError, Plain, one_of
from moe_cosim.hub_cache import cached_snapshot, is_hub_name
from moe_cosim.schema import Count, Line, Size, check
from moe_cosim.yaml_file import parse_yaml, read_yaml, yaml_text

DEFAULT_ENGINE = "embedded"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MachineChoice(_Part):
    """A machine of the catalogue (or a path) and fields of its description to replace."""

    use: Annotated[str, Field(strict=True, min_length=1)]
    set: dict[str, Any] = Field(default_factory=dict)


class DraftChoice(_Part):
    """The dense model that drafts, and the unit that runs it."""

    model: Line
    """One that ships, or the path of a ``config.json``."""
    unit: Line


class VerifyChoice(_Part):
    """Speculative decoding: decode steps that verify `draft_tokens` drafted tokens of each sequence at once
    (Leviathan et al. 2023, arXiv 2211.17192)."""

    draft_tokens: Size
    acceptance: float | tuple[float, ...] | str
    """The chance that a drafted token is accepted if those before it in the step were: of all, or of each position; or
    the path of a file that says how many were (`moe_cosim.workloads.verify.acceptance`)."""
    draft: DraftChoice | None = None
    """None: drafting costs nothing."""

    @field_validator("acceptance", mode="before")
    @classmethod
    def _chance_chances_or_path(cls, acceptance: object) -> object:
        chances = acceptance if isinstance(acceptance, list | tuple) else [acceptance]
        if isinstance(acceptance, str) or (chances and all(_is_chance(each) for each in chances)):
            return acceptance
        raise ValueError("a number from 0 to 1, a list of them (one for each drafted token), or the path of a file")


def _is_chance(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


class Workload(_Part):
    """How much is asked: `batch` sequences of `prompt_tokens`, each answered with `output_tokens`."""

    batch: Count = 1
    prompt_tokens: Count
    output_tokens: Count
    skipped_tokens: Size = 0
    """Output tokens taken as generated already when decode begins: a short run then measures a stretch
    of a long one, with as many keys and values."""
    verify: VerifyChoice | None = None
    """None: a decode step yields one token of each sequence."""

    @property
    def decoded_tokens(self) -> int:
        """Of each sequence: the prefill yields its first token, decode the others."""
        return self.output_tokens - 1

    @property
    def drafted_tokens(self) -> int:
        """Of each sequence in a decode step, behind its last token."""
        return self.verify.draft_tokens if self.verify else 0

    @property
    def queries(self) -> int:
        """Tokens of each sequence that a decode step puts through the model: its last one, and those drafted."""
        return 1 + self.drafted_tokens

    @property
    def tokens_per_step(self) -> int:
        """Of all sequences, through the model in a decode step."""
        return self.batch * self.queries

    @property
    def decode_context(self) -> int:
        """Tokens of one sequence behind the first decode step's own, less one."""
        return self.prompt_tokens + self.skipped_tokens

    @property
    def context_tokens(self) -> int:
        """Tokens of one sequence whose keys and values are kept at the end."""
        return self.prompt_tokens + self.skipped_tokens + self.output_tokens

    @property
    def generated_tokens(self) -> int:
        """Of all sequences together."""
        return self.batch * self.output_tokens


class QuantizationChoice(_Part):
    """Precisions. `average_bits` and `allocation` matter to policies that mix widths.

    A part without a format has the checkpoint's, or 16 bits where the model says nothing of it.
    """

    expert_format: str | None = None
    dense_format: str | None = None
    """Of what has no format of its own among the next two."""
    attention_format: str | None = None
    shared_format: str | None = None
    """Shared experts, and the feed-forward layers that have no routed ones."""
    head_format: str | None = None
    embedding_format: str | None = None
    """Where the head is the embedding too (tied), both have the head's."""
    kv_format: str | None = None
    average_bits: Annotated[float, Field(strict=True, ge=1, le=16)] | None = None
    allocation: str = "prefix"
    losses: str = "synthetic"
    """``synthetic``, or the path of a loss table."""


class Window(_Part):
    """The part of the program that runs on the engine, ``first:last`` or one number, both included; the rest
    is extrapolated from it. Nothing: the whole program."""

    steps: str | None = None
    layers: str | None = None

    @field_validator("steps", "layers", mode="before")
    @classmethod
    def _one_number_or_two(cls, span: object) -> object:
        text = str(span) if isinstance(span, int) and not isinstance(span, bool) else span
        if text is not None and not (isinstance(text, str) and re.fullmatch(r"[0-9]{1,9}(:[0-9]{1,9})?", text)):
            raise ValueError("first:last, or one number")
        return text

    @property
    def is_whole(self) -> bool:
        """Whether nothing is extrapolated."""
        return self.steps is None and self.layers is None


class Experiment(_Part):
    """One configuration, fully resolved. `routing` (or `neurons`) and `policy` carry their plug-in's own options."""

    name: Line
    description: str = ""
    machine: MachineChoice
    model: Annotated[str, Field(strict=True, min_length=1)]
    routing: dict[str, Any] = Field(default_factory=dict)
    """Of a model with experts."""
    neurons: dict[str, Any] | None = None
    """In the place of a routing: the activity of a dense model's neurons, with the source's own options."""
    workload: Workload
    quantization: QuantizationChoice = QuantizationChoice()
    kv_cache: Literal["gpu", "near-data"] = "gpu"
    """Whose memory keeps keys and values; ``near-data``: dealt over the memories with cores beside them."""
    policy: dict[str, Any]
    software: Annotated[str, Field(strict=True, min_length=1)] = "eager"
    """What launches the kernels: a description of the catalogue, or a path."""
    engine: str | dict[str, Any] = DEFAULT_ENGINE
    """A name, or a mapping of `name` and the engine's own options (``{name: sst, line_size: 64}``)."""
    assumptions: dict[str, Any] = Field(default_factory=dict)
    seed: Size = 0
    window: Window = Window()

    @field_validator("engine", mode="before")
    @classmethod
    def _name_or_mapping(cls, engine: object) -> object:
        if not isinstance(engine, str | dict):
            raise ValueError("an engine's name, or a mapping of name and options")
        return engine

    _file: str = PrivateAttr(default="")

    @cached_property
    def where(self) -> str:
        """What error messages call it: the file it was read from, where there is one."""
        return self._file or f"experiment {self.name}"

    def __eq__(self, other: object) -> bool:
        """Equal fields; the file they were read from does not matter."""
        return isinstance(other, Experiment) and self.model_dump() == other.model_dump()

    @property
    def engine_name(self) -> str:
        """The engine, however it is written."""
        return self.engine if isinstance(self.engine, str) else str(self.engine.get("name", ""))

    @property
    def engine_options(self) -> dict[str, Any]:
        """What the engine is told beside its name."""
        return {} if isinstance(self.engine, str) else {k: v for k, v in self.engine.items() if k != "name"}

    def with_settings(self, settings: Mapping[str, Any]) -> Experiment:
        """A copy with fields replaced: ``{"workload.batch": 4, "assumptions.cxl-link-rate": "32 GB/s"}``."""
        tree = self.model_dump()
        _apply(tree, settings, self.where)
        _absolute(tree, Path())
        return _checked(tree, self.where, self._file)

    def to_yaml(self) -> str:
        """The resolved experiment: loading this text gives an equal one."""
        return yaml_text(self.model_dump())


def load_experiment(source: Experiment | str | Path, settings: Mapping[str, Any] | None = None) -> Experiment:
    """An experiment by path, by the name of one that ships with the package, or as it is; with `settings`."""
    if isinstance(source, Experiment):
        return source.with_settings(settings) if settings else source
    path = find_experiment(source)
    tree = read_yaml(path)
    _expand(tree)
    _absolute(tree, path.parent)
    _apply(tree, settings or {}, path)
    _absolute(tree, Path())
    return _checked(tree, path, str(path))


def _checked(tree: Mapping[str, Any], where: object, file: str) -> Experiment:
    experiment = check(Experiment, tree, where)
    if "routing" not in tree and experiment.neurons is None:
        raise InputError(where, "routing", Plain("nothing"), "a value (the field is required), or neurons")
    if experiment.routing and experiment.neurons is not None:
        raise InputError(where, "neurons", Plain("also a routing"), "one of them: a model has experts or it is dense")
    experiment._file = file
    return experiment


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """``path=value`` texts of the command line; values are read as YAML. Raises `InputError`."""
    settings: dict[str, Any] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            raise InputError("--set", "path=value", text, "such as workload.batch=4")
        read = parse_yaml(f"value: {value}", f"--set {path.strip()}")
        if list(read) != ["value"]:
            raise InputError("--set", path.strip(), value, "one value")
        settings[path.strip()] = read["value"]
    return settings


def experiment_names() -> list[str]:
    """Experiments that ship with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _shipped().iterdir() if entry.name.endswith(".yaml"))


def find_experiment(source: str | Path) -> Path:
    """The file of a path or a shipped name; `InputError` where there is none."""
    path = Path(source)
    if os.path.isfile(path):  # unlike Path.is_file, does not raise for a name too long to be one
        return path
    shipped = _shipped() / f"{source}.yaml"
    if os.path.isfile(shipped):
        return shipped
    found = "a folder" if os.path.isdir(path) else "no such file or name"
    allowed = f"an experiment file, or {one_of(experiment_names(), str(source))}"
    raise InputError(source, "experiment", Plain(found), allowed)


def _shipped() -> Path:
    return Path(str(files("moe_cosim.experiments")))


def _expand(tree: dict[str, Any]) -> None:
    """``machine: name`` and ``policy: name`` to their long forms."""
    for part, key in (("machine", "use"), ("policy", "name")):
        if isinstance(tree.get(part), str):
            tree[part] = {key: tree[part]}


def _absolute(tree: dict[str, Any], folder: Path) -> None:
    """Paths relative to `folder` to absolute ones, so that a saved experiment means the same anywhere.

    Of a file's own paths that is the folder it lies in, of settings the one the command runs in.
    """
    _cached(tree, folder)
    paths: tuple[tuple[Any, str, Callable[[str], bool]], ...] = (
        (tree, "model", lambda text: _is_model_path(text, folder)),
        (tree.get("machine"), "use", lambda text: text.endswith((".yaml", ".yml")) or "/" in text),
        (tree, "software", lambda text: text.endswith((".yaml", ".yml")) or "/" in text),
        (tree.get("routing"), "file", lambda text: True),
        (tree.get("neurons"), "file", lambda text: True),
        (tree.get("routing"), "preset", lambda text: text.endswith(".yaml")),
        (tree.get("quantization"), "losses", lambda text: text != "synthetic"),
        (_part(tree, "workload", "verify"), "acceptance", lambda text: True),
        (_part(tree, "workload", "verify", "draft"), "model", lambda text: _is_model_path(text, folder)),
    )
    for part, key, is_path in paths:
        if isinstance(part, dict) and isinstance(part.get(key), str) and is_path(part[key]):
            part[key] = str((folder / os.path.expanduser(part[key])).absolute())


def _part(tree: Any, *path: str) -> Any:
    """What lies at `path` below nested mappings; None where there is nothing."""
    for step in path:
        tree = tree.get(step) if isinstance(tree, dict) else None
    return tree


def _cached(tree: dict[str, Any], folder: Path) -> None:
    """A model by its name on the hub to its folder in the local cache, if it is there."""
    model = tree.get("model")
    if isinstance(model, str) and is_hub_name(model) and not _is_model_path(model, folder):
        tree["model"] = str(cached_snapshot(model) or model)


def _is_model_path(text: str, folder: Path) -> bool:
    """Not a name of the catalogue, nor one of the hub."""
    if is_hub_name(text):
        return os.path.exists(folder / text)
    return text.endswith((".json", ".yaml", ".yml", ".gguf")) or "/" in text


def _apply(tree: dict[str, Any], settings: Mapping[str, Any], where: object) -> None:
    """Put each dotted path's value into the tree. Below `assumptions` and `machine.set` the rest is one key."""
    for dotted, value in settings.items():
        steps = _steps(dotted)
        if steps[0] == "engine" and len(steps) > 1 and not isinstance(tree.get("engine"), dict):
            tree["engine"] = {"name": tree.get("engine", DEFAULT_ENGINE)}
        node: Any = tree
        for step in steps[:-1]:
            if not isinstance(node, dict):
                raise InputError(where, dotted, Plain("a path through a value"), "a path through mappings")
            node = node.setdefault(step, {})
        if not isinstance(node, dict):
            raise InputError(where, dotted, Plain("a path through a value"), "a path through mappings")
        node[steps[-1]] = value
        _expand(tree)


def _steps(dotted: str) -> list[str]:
    for prefix in ("assumptions.", "machine.set."):
        if dotted.startswith(prefix):
            return [*prefix.rstrip(".").split("."), dotted.removeprefix(prefix)]
    return dotted.split(".")
