"""What ``quantization_config`` means in each of the programs that write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Stored:
    """A format by name, and what it stands for where that is something else."""

    format: str
    note: str = ""


@dataclass(frozen=True)
class StoredModules:
    """Modules that are stored alike."""

    stored: Stored
    targets: tuple[str, ...] | None = None
    """Patterns of their names; None: all linear ones."""


@dataclass(frozen=True)
class Scheme:
    """What one `quantization_config` says of a checkpoint's modules."""

    groups: tuple[StoredModules, ...] = ()
    left_out: tuple[str, ...] = ()
    """Patterns of modules that stay at 16 bits."""
    head: bool = False
    """Whether all linear modules include the head."""
    kv: str | None = None
    note: str = ""


_Reader = Callable[[Mapping[str, Any]], Scheme]


def scheme_of(declared: Mapping[str, Any]) -> Scheme:
    """Never refuses: what nobody here knows is 16 bits, and says so."""
    method = declared.get("quant_method")
    if method is None:  # ModelOpt and MLX do not always name themselves
        method = "modelopt" if "quant_algo" in declared else "mlx" if "bits" in declared else None
    reader = _METHODS.get(method) if isinstance(method, str) else None
    if reader is None:
        return Scheme(note=f"quantization_config.quant_method {method!r} is not known: run at fp16")
    return reader(declared)


def _whole(stored: Stored, declared: Mapping[str, Any], *more: str, head: bool = False) -> Scheme:
    left_out = (*_names(declared, "modules_to_not_convert", "ignore", "exclude_modules"), *more)
    return Scheme((StoredModules(stored),), left_out, head, _kv(declared))


def _names(declared: Mapping[str, Any], *fields: str) -> tuple[str, ...]:
    found: list[str] = []
    for field in fields:
        value = declared.get(field)
        found += [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
    return tuple(found)


def _kv(declared: Mapping[str, Any]) -> str | None:
    scheme = declared.get("kv_cache_scheme") or declared.get("kv_cache_quant_algo")
    bits = scheme.get("num_bits") if isinstance(scheme, Mapping) else None
    if scheme == "FP8" or (bits == 8 and isinstance(scheme, Mapping) and scheme.get("type") == "float"):
        return "fp8"
    return "int8" if bits == 8 else None


def _integers(bits: object, group: object, note: str = "") -> Stored:
    """Groups of integers; of widths that no format has, the next wider one."""
    if isinstance(bits, bool) or not isinstance(bits, int | float) or not 1 <= bits <= 8:
        return Stored("fp16", note or f"a width of {bits!r} bits is not known: run at fp16")
    if bits == 4 and group in (32, 64):
        return Stored(f"int4-g{group}", note)
    wider = next(width for width in (1, 2, 3, 4, 8) if width >= bits)
    if wider != bits:
        note = note or f"no format has {bits} bits: run as int{wider}"
    return Stored(f"int{wider}", note)


def _fp8(declared: Mapping[str, Any]) -> Scheme:
    stored = Stored("fp8-block" if declared.get("weight_block_size") else "fp8")
    return _whole(stored, declared)


def _experts_mxfp4(declared: Mapping[str, Any]) -> Scheme:
    """transformers' Mxfp4 converts experts alone."""
    left_out = _names(declared, "modules_to_not_convert")
    return Scheme((StoredModules(Stored("mxfp4"), ("experts",)),), left_out)


def _grouped(declared: Mapping[str, Any]) -> Scheme:
    stored = _integers(declared.get("bits"), declared.get("group_size"))
    return _whole(stored, declared, head=declared.get("lm_head") is True)


def _hqq(declared: Mapping[str, Any]) -> Scheme:
    config = _inside(declared, "quant_config", "weight_quant_params")
    return _whole(_integers(config.get("nbits"), config.get("group_size")), declared)


def _bitsandbytes(declared: Mapping[str, Any]) -> Scheme:
    return _whole(Stored("bnb-4bit" if declared.get("load_in_4bit") else "int8-w8a8"), declared)


def _quark(declared: Mapping[str, Any]) -> Scheme:
    dtype = _inside(declared, "global_quant_config", "weight").get("dtype")
    names = {"fp4": "mxfp4", "fp8_e4m3": "fp8", "int8": "int8-w8a8", "int4": "int4", "uint4": "int4"}
    if not isinstance(dtype, str) or dtype not in names:
        return Scheme(note=f"Quark's weight dtype {dtype!r} is not known: run at fp16")
    return _whole(Stored(names[dtype]), declared)


def _torchao(declared: Mapping[str, Any]) -> Scheme:
    kind = str(_inside(declared, "quant_type", "default").get("_type") or declared.get("quant_type"))
    for name, stored in (
        ("Int4WeightOnly", "int4"),
        ("int4_weight_only", "int4"),
        ("Int8WeightOnly", "int8"),
        ("int8_weight_only", "int8"),
        ("Int8DynamicActivationInt8", "int8-w8a8"),
        ("int8_dynamic_activation_int8", "int8-w8a8"),
        ("Float8", "fp8"),
        ("float8", "fp8"),
    ):
        if kind.startswith(name):
            return _whole(Stored(stored), declared)
    return Scheme(note=f"torchao's type {kind!r} is not known: run at fp16")


def _compressed_tensors(declared: Mapping[str, Any]) -> Scheme:
    groups = _groups(declared)
    if not groups:
        return Scheme(note="compressed-tensors without config_groups is not known: run at fp16")
    return Scheme(groups, _names(declared, "ignore"), head=True, kv=_kv(declared))


_ALGORITHMS: Final = {
    "FP8": "fp8",
    "FP8_PER_CHANNEL_PER_TOKEN": "fp8",
    "FP8_PB_WO": "fp8-block",
    "FP8_PB_REAL": "fp8-block",
    "NVFP4": "nvfp4",
    "W4A8_NVFP4_FP8": "nvfp4",
    "MXFP4": "mxfp4",
    "W4A16_AWQ": "int4",
    "W4A16": "int4",
    "W4A8_AWQ": "int4",
    "INT4_AWQ": "int4",
    "W8A16": "int8",
    "W8A8_SQ_PER_CHANNEL": "int8-w8a8",
}
"""ModelOpt's."""


def _modelopt(declared: Mapping[str, Any]) -> Scheme:
    """Mixed precisions are listed by module, in ``quantized_layers`` or in the groups' targets."""
    algorithm = declared.get("quant_algo")
    if algorithm == "MIXED_PRECISION":
        by_algorithm: dict[str, list[str]] = {}
        for module, entry in _inside(declared, "quantized_layers").items():
            name = entry.get("quant_algo") if isinstance(entry, Mapping) else None
            by_algorithm.setdefault(str(name), []).append(module)
        groups = tuple(StoredModules(_algorithm(name), tuple(modules)) for name, modules in by_algorithm.items())
        return Scheme(groups or _groups(declared), _names(declared, "ignore", "exclude_modules"), True, _kv(declared))
    return _whole(_algorithm(algorithm), declared)


def _algorithm(name: object) -> Stored:
    if isinstance(name, str) and name in _ALGORITHMS:
        return Stored(_ALGORITHMS[name])
    return Stored("fp16", f"ModelOpt's quant_algo {name!r} is not known: run at fp16")


def _groups(declared: Mapping[str, Any]) -> tuple[StoredModules, ...]:
    """compressed-tensors' description, which newer ModelOpt writes too."""
    found = []
    for entry in _inside(declared, "config_groups").values():
        weights = _inside(entry, "weights") if isinstance(entry, Mapping) else {}
        targets = _names(entry, "targets") if isinstance(entry, Mapping) else ()
        linear = None if not targets or "Linear" in targets else targets
        found.append(StoredModules(_described(weights, _inside(entry, "input_activations")), linear))
    return tuple(found)


def _described(weights: Mapping[str, Any], activations: Mapping[str, Any]) -> Stored:
    bits, kind, group = weights.get("num_bits"), weights.get("type", "int"), weights.get("group_size")
    if kind == "float" and bits == 8:
        return Stored("fp8-block" if weights.get("strategy") == "block" else "fp8")
    if kind == "float" and bits == 4:
        return Stored("mxfp4" if group == 32 else "nvfp4")
    if kind == "int" and bits == 8 and activations.get("num_bits") == 8:
        return Stored("int8-w8a8")
    if kind != "int":
        return Stored("fp16", f"weights of type {kind!r} of {bits!r} bits are not known: run at fp16")
    return _integers(bits, group)


def _inside(declared: Any, *names: str) -> Mapping[str, Any]:
    """The mapping nested under those names; empty where there is none."""
    for name in names:
        declared = declared.get(name) if isinstance(declared, Mapping) else None
    return declared if isinstance(declared, Mapping) else {}


_METHODS: Final[dict[str, _Reader]] = {
    "fp8": _fp8,
    "fbgemm_fp8": _fp8,
    "mxfp4": _experts_mxfp4,
    "awq": _grouped,
    "gptq": _grouped,
    "auto-round": _grouped,
    "exl2": _grouped,
    "exl3": _grouped,
    "mlx": _grouped,
    "hqq": _hqq,
    "bitsandbytes": _bitsandbytes,
    "quark": _quark,
    "torchao": _torchao,
    "compressed-tensors": _compressed_tensors,
    "modelopt": _modelopt,
}
