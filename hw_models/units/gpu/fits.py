"""Constants fitted to the kernels of one framework: `hw_models/catalog/kernel_fits`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.hw_models.units.gpu.attention import AttentionConstants
from moe_cosim.hw_models.units.gpu.tiles import TileConstants

C = TypeVar("C", TileConstants, AttentionConstants)

KERNELS: Final = {
    "bf16": ("bf16",),
    "fp8": ("fp8", "fp8-block", "bf16"),
    "fp8-block": ("fp8-block", "fp8", "bf16"),
    "fp4": ("fp4", "weight-only", "bf16"),
    "weight-only": ("weight-only", "bf16"),
    "mxfp4": ("mxfp4", "weight-only", "bf16"),
}
"""Kinds of kernel, and whose constants each takes: the first that were fitted."""
ATTENTION: Final = {"prefill": ("prefill",), "decode": ("decode",), "latent": ("latent", "decode")}


def kernel_kind(weights: WeightFormat, operand: str) -> str:
    """What kind of kernel multiplies such weights as `operand`; 8-bit integers run like FP8."""
    if operand == "bf16":
        narrow = "mxfp4" if weights.packing == "microscaling" else "weight-only"
        return "bf16" if weights.bits >= 16 else narrow
    if operand == "fp4":
        return "fp4"
    return "fp8-block" if weights.name == "fp8-block" else "fp8"


@dataclass(frozen=True)
class KernelFit:
    """The constants of one framework's kernels on one architecture, by kind of kernel."""

    experts: Mapping[str, TileConstants]
    """Fused MoE kernels."""
    products: Mapping[str, TileConstants]
    """Dense products."""
    attention: Mapping[str, AttentionConstants]

    def of_experts(self, kind: str) -> TileConstants:
        """Constants of fused experts of this kind of kernel, or of the nearest kind that was fitted."""
        return _first(self.experts, KERNELS[kind])

    def of_products(self, kind: str) -> TileConstants:
        """Constants of products of this kind of kernel, or of the nearest kind that was fitted."""
        return _first(self.products, KERNELS[kind])

    def of_attention(self, kind: str) -> AttentionConstants:
        """Constants of attention of this kind: decode, prefill or latent; of the nearest that was fitted."""
        return _first(self.attention, ATTENTION[kind])


def architectures(tree: Mapping[str, Any]) -> list[str]:
    """Those that a description of kernel fits has constants for, or names another for."""
    return [*tree.get("architectures", ()), *tree.get("stand_ins", ())]


def read_fit(tree: Mapping[str, Any], architecture: str, where: Path) -> KernelFit:
    """The constants for `architecture`, or for the one that stands in for it; raises `InputError`."""
    instead = tree.get("stand_ins", {}).get(architecture)
    name = instead["as"] if instead else architecture
    node, path = tree["architectures"][name], f"architectures.{name}"
    return KernelFit(
        _group(TileConstants, node, "experts", ("bf16",), where, path),
        _group(TileConstants, node, "products", ("bf16",), where, path),
        _group(AttentionConstants, node, "attention", ("prefill", "decode"), where, path),
    )


def _first(constants: Mapping[str, C], names: tuple[str, ...]) -> C:
    return next(constants[name] for name in names if name in constants)


def _group(
    kind: type[C], node: Mapping[str, Any], name: str, needed: tuple[str, ...], where: Path, path: str
) -> dict[str, C]:
    path = f"{path}.{name}"
    group = node.get(name)
    if not isinstance(group, Mapping) or not all(each in group for each in needed):
        raise InputError(where, path, group, f"constants for at least {', '.join(needed)}")
    return {each: _constants(kind, found, where, f"{path}.{each}") for each, found in group.items()}


def _constants(kind: type[C], node: object, where: Path, path: str) -> C:
    """Every constant a number above zero, and where they all come from."""
    names: list[str] = [each.name for each in fields(kind)]
    if not isinstance(node, Mapping) or set(node) != {*names, "source"}:
        found = sorted(node) if isinstance(node, Mapping) else node
        raise InputError(where, path, found, Plain(f"{', '.join(names)} and their source"))
    for name in names:
        value = node[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise InputError(where, f"{path}.{name}", value, "a number above zero")
    return kind(**{name: node[name] for name in names})
