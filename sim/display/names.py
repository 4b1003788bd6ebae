"""Names as people write them: acronyms, parts of machines, systems, models."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

_WORDS: Final = {
    "gpu": "GPU", "cpu": "CPU", "ndp": "NDP", "dma": "DMA", "cxl": "CXL", "dimm": "DIMM", "dram": "DRAM",
    "hbm": "HBM", "gddr": "GDDR", "lpddr": "LPDDR", "ddr4": "DDR4", "ddr5": "DDR5", "sram": "SRAM", "llc": "LLC",
    "pcie": "PCIe", "kv": "KV", "ffn": "FFN", "lru": "LRU", "amx": "AMX", "avx2": "AVX2", "avx512": "AVX-512",
    "numa": "NUMA", "isa": "ISA", "io": "I/O", "sst": "SST", "id": "ID", "utc": "UTC", "bf16": "BF16", "fp16": "FP16",
    "fp8": "FP8", "fp4": "FP4", "int8": "INT8", "int4": "INT4", "int3": "INT3", "int2": "INT2", "int1": "INT1",
    "h100": "H100", "h200": "H200", "h20": "H20", "b200": "B200", "a100": "A100", "rtx": "RTX", "alpha": "α",
}  # fmt: skip
_PARTS: Final = {
    "sm": "SMs",
    "core": "cores",
    "ports": "switch",
    "xbar": "crossbar",
    "dma": "copy engine",
    "link": "DIMM-Link port",
}
"""Parts of devices, where the word itself does not say what it is."""

_SYSTEMS: Final = {
    "all-on-gpu": "All on GPU",
    "belady": "Belady",
    "cox-moe": "CoX-MoE",
    "cxl-ndp": "CXL-NDP",
    "dymoe": "DyMoE",
    "dynaexq": "DynaExq",
    "dali": "DALI",
    "flash-moe": "FlashMoE",
    "flexgen": "FlexGen",
    "moe-lightning": "MoE-Lightning",
    "moe-gen": "MoE-Gen",
    "edge-ndp": "Edge-NDP",
    "fiddler": "Fiddler",
    "hermes": "Hermes",
    "hermes-base": "Hermes-base",
    "hobbit": "HOBBIT",
    "klotski": "Klotski",
    "ktransformers": "KTransformers",
    "llama.cpp": "llama.cpp",
    "lru": "LRU cache",
    "moe-infinity": "MoE-Infinity",
    "monde": "MoNDE",
    "monde-dimm": "MoNDE (DIMM)",
    "on-demand": "On demand",
    "sieve": "Sieve",
    "specmoe": "SpecMoE",
    "speculating-experts": "Speculating Experts",
    "static-hybrid": "Static hybrid",
    "trimoe": "TriMoE",
    "wisp": "WiSP",
    "embedded": "Embedded",
    "sst": "SST",
    "cuda-graphs": "CUDA graphs",
    "eager": "Eager",
    "ideal": "Ideal",
}
"""Policies, engines and software, as their authors write them."""
_MODELS: Final = {
    "deepseek": "DeepSeek", "moe": "MoE", "v2": "V2", "v3": "V3", "v3.2": "V3.2", "lite": "Lite", "ernie": "ERNIE",
    "gemma": "Gemma", "glm": "GLM", "air": "Air", "flash": "Flash", "gpt": "gpt", "oss": "oss", "jamba": "Jamba",
    "kimi": "Kimi", "k2": "K2", "llama": "Llama", "maverick": "Maverick", "scout": "Scout", "longcat": "LongCat",
    "mimo": "MiMo", "minimax": "MiniMax", "m2": "M2", "text": "Text", "mixtral": "Mixtral", "nemotron": "Nemotron",
    "nano": "Nano", "super": "Super", "ultra": "Ultra", "nllb": "NLLB", "olmoe": "OLMoE", "phi": "Phi",
    "qwen1.5": "Qwen1.5", "qwen2": "Qwen2", "qwen3": "Qwen3", "qwen3.5": "Qwen3.5", "coder": "Coder", "next": "Next",
    "step": "Step", "switch": "Switch", "base": "Base", "large": "Large",
}  # fmt: skip
"""Words of models' names; sizes such as 8x7b are not listed."""
_SIZE: Final = re.compile(r"(a?)((?:\d+x)?[\d.]+)b")
_NUMBERED: Final = re.compile(r"([a-z][a-z-]*?)(\d+|\*)")


def words(name: str) -> str:
    """``gpu_hits_by_prefetch`` as ``GPU hits by prefetch``."""
    found = [_WORDS.get(word, word) for word in re.split(r"[_\-. ]+", name) if word]
    return _sentence(" ".join(found))


def component(name: str) -> str:
    """A unit, memory, switch, link or one direction of a link, as a machine names it: ``GPU HBM``, ``GPU → host``."""
    link, colon, ends = name.partition(":")
    if colon and "->" in ends:
        source, _, target = ends.partition("->")
        if source.partition(".")[0] == target.partition(".")[0]:
            return f"{_node(source)} → {_node(target)}"
        return f"{_device(source)} → {_device(target)}"
    if colon:
        member, _, direction = ends.rpartition(":")
        return f"{_link(link)}, {_node(member)} {direction}"
    return _link(name) if "-" in name else _node(name)


def system(name: str) -> str:
    """A policy, engine or software stack."""
    return _SYSTEMS.get(name) or words(name)


def model(name: str) -> str:
    """A model of the catalogue."""
    return "-".join(_model_word(word) for word in name.split("-"))


def value(text: str) -> str:
    """What a category is called: systems and models of ours as their authors write them, all else as it is."""
    if text in _SYSTEMS:
        return _SYSTEMS[text]
    return model(text) if text in _models() else text


def purpose(name: str) -> str:
    """A purpose, bound, cause, phase or kind of contents."""
    return words(name)


@cache
def _models() -> frozenset[str]:
    from moe_cosim.workloads.models.find import model_names

    return frozenset(model_names())


def _model_word(word: str) -> str:
    size = _SIZE.fullmatch(word)
    return f"{size[1].upper()}{size[2]}B" if size else _MODELS.get(word, word)


def _node(name: str) -> str:
    device, dot, part = name.partition(".")
    if not dot:
        return _device(name)
    return f"{_numbered(device)} {_PARTS.get(part) or _WORDS.get(part, part)}"


def _device(name: str) -> str:
    device, _, part = name.partition(".")
    return f"{_numbered(device)} switch" if part == "ports" else _numbered(device)


def _link(name: str) -> str:
    """``gpu-cxl`` between two devices, ``gpu.hbm-xbar`` inside one."""
    device, dot, parts = name.rpartition(".")
    first, _, second = (parts if dot else name).partition("-")
    if second == "link" and not dot:
        return f"{_numbered(first)}-Link"
    named = _PARTS if dot else {}
    text = "–".join(named.get(end) or _numbered(end).strip() for end in (first, second))
    return f"{_numbered(device)} {text} link" if dot else f"{text} link"


def _numbered(device: str) -> str:
    """``ndp0`` as ``NDP 0``; of all instances together, ``ndp*``, as ``NDP``."""
    found = _NUMBERED.fullmatch(device)
    if device in _WORDS or found is None:
        return _WORDS.get(device) or _sentence(device)
    name = _WORDS.get(found[1]) or _sentence(found[1])
    return name if found[2] == "*" else f"{name} {found[2]}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
