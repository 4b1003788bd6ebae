"""How a checkpoint's parts are stored, by the quantization that its configuration declares."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from moe_cosim.errors import InputError
from moe_cosim.workloads.models.quantization_schemes import Scheme, Stored, scheme_of

_PART_MODULES: Final = {
    "experts": ("mlp.experts.0.up_proj", "mlp.experts.0.gate_up_proj", "block_sparse_moe.experts.0.w1"),
    "shared": ("mlp.shared_experts.up_proj", "mlp.shared_expert.up_proj"),
    "attention": ("self_attn.o_proj", "self_attn.q_proj"),
}
"""Modules of a layer as checkpoints name them; a part is what one of its modules is."""
_DENSE_MODULE: Final = "mlp.up_proj"


@dataclass(frozen=True)
class Checkpoint:
    """Names of formats by part; None: 16 bits, as the checkpoint says nothing of it."""

    experts: str | None = None
    attention: str | None = None
    shared: str | None = None
    """Shared experts, and the feed-forward layers without routed ones."""
    head: str | None = None
    kv: str | None = None
    embedding: str | None = None
    note: str = ""
    """What is declared and nothing here stores, and what stands for it."""


def read_checkpoint(declared: object, layers: int, has_shared: bool, where: object) -> Checkpoint:
    """What `declared` (``quantization_config``, ``compression_config`` or ModelOpt's ``quantization``) says of a
    model of so many layers. Unknown schemes are 16 bits, with a note. Raises `InputError` for what is no mapping.
    """
    if declared is None:
        return Checkpoint()
    if not isinstance(declared, Mapping):
        raise InputError(where, "quantization_config", declared, "a mapping of fields")
    scheme = scheme_of(declared)
    parts: dict[str, Stored | None] = {}
    for part, modules in _PART_MODULES.items():
        if part == "shared" and not has_shared:
            modules = (_DENSE_MODULE,)
        parts[part] = _of_layers(scheme, modules, layers)
    parts["head"] = _of_module(scheme, "lm_head") if scheme.head else None
    notes = {stored.note for stored in parts.values() if stored is not None and stored.note}
    names = {part: stored.format if stored is not None else None for part, stored in parts.items()}
    return Checkpoint(**names, kv=scheme.kv, note="; ".join(sorted(notes)) or scheme.note)


def _of_layers(scheme: Scheme, modules: Sequence[str], layers: int) -> Stored | None:
    """What most layers have."""
    sample = range(0, layers, max(layers // 16, 1))
    found = [_of_modules(scheme, [f"layers.{layer}.{module}" for module in modules]) for layer in sample]
    return max(found, key=found.count)


def _of_modules(scheme: Scheme, modules: Sequence[str]) -> Stored | None:
    """Of one thing under several names: stored at 16 bits where a pattern leaves out any of them."""
    if any(_matches(module, scheme.left_out) for module in modules):
        return None
    return next((stored for module in modules if (stored := _of_module(scheme, module)) is not None), None)


def _of_module(scheme: Scheme, module: str) -> Stored | None:
    if _matches(module, scheme.left_out):
        return None
    for group in scheme.groups:
        if group.targets is None or _matches(module, group.targets):
            return group.stored
    return None


def _matches(module: str, patterns: tuple[str, ...]) -> bool:
    names, expressions = _sorted(patterns)
    steps = module.split(".")
    spans = (".".join(steps[i:j]) for i in range(len(steps)) for j in range(i + 1, len(steps) + 1))
    return any(span in names for span in spans) or any(each.search(module) for each in expressions)


@lru_cache(maxsize=16)
def _sorted(patterns: tuple[str, ...]) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    """Plain names, of which mixed precisions list tens of thousands, and expressions."""
    plain = frozenset(_from_layers(each) for each in patterns if not re.search(r"^re:|[*?\[]", each))
    return plain, tuple(re.compile(_expression(each)) for each in patterns if re.search(r"^re:|[*?\[]", each))


def _from_layers(name: str) -> str:
    return re.sub(r"^.*?(?=\blayers\.)", "", name)


def _expression(pattern: str) -> str:
    """Patterns name whole components of a module's path, with ``*``, or are expressions after ``re:``. What comes
    before the layers differs between files of one model."""
    if pattern.startswith("re:"):
        try:
            re.compile(pattern[3:])
        except re.error:
            return r"\Z\A"  # matches nothing
        return pattern[3:].removeprefix("^")
    body = fnmatch.translate(_from_layers(pattern)).removeprefix("(?s:").removesuffix(r")\Z").removesuffix(r")\z")
    return rf"(?:^|\.)(?:{body})(?:\.|$)"


def declared_in(data: Mapping[str, Any]) -> Any:
    """The quantization that a configuration declares; None: none."""
    for name in ("quantization_config", "compression_config", "quantization"):
        if data.get(name) is not None:
            return data[name]
    return None
