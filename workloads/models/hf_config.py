"""Reading a Hugging Face ``config.json``: which family it is, and the way to a `Model`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from moe_cosim.errors import InputError, Plain
from moe_cosim.schema import check
from moe_cosim.workloads.models.hf_families import (
    Deepseek,
    Family,
    Glm4Moe,
    GptOss,
    Mixtral,
    Olmoe,
    PhiMoe,
    Qwen2Moe,
    Qwen3Moe,
)
from moe_cosim.workloads.models.model import Model

FAMILIES: Final[dict[str, type[Family]]] = {
    "mixtral": Mixtral,
    "qwen2_moe": Qwen2Moe,
    "qwen3_moe": Qwen3Moe,
    "deepseek": Deepseek,
    "deepseek_v2": Deepseek,
    "deepseek_v3": Deepseek,
    "kimi_k2": Deepseek,
    "glm4_moe": Glm4Moe,
    "olmoe": Olmoe,
    "phimoe": PhiMoe,
    "gpt_oss": GptOss,
}
"""By ``model_type``."""

_ARCHITECTURES: Final[dict[str, str]] = {
    "MixtralForCausalLM": "mixtral",
    "Qwen2MoeForCausalLM": "qwen2_moe",
    "Qwen3MoeForCausalLM": "qwen3_moe",
    "DeepseekForCausalLM": "deepseek",
    "DeepseekV2ForCausalLM": "deepseek_v2",
    "DeepseekV3ForCausalLM": "deepseek_v3",
    "Glm4MoeForCausalLM": "glm4_moe",
    "OlmoeForCausalLM": "olmoe",
    "PhiMoEForCausalLM": "phimoe",
    "PhimoeForCausalLM": "phimoe",
    "GptOssForCausalLM": "gpt_oss",
}
"""Used where ``model_type`` is absent."""


def read_hf_config(path: Path) -> Model:
    """The model a ``config.json`` describes; raises `InputError` naming the file and the field.

    The model is named after the file, or after its folder when it is called ``config.json``.
    """
    data = _read_json(path)
    family = FAMILIES[_model_type(data, path)]
    name = path.resolve().parent.name if path.name == "config.json" else path.stem
    return check(family, data, path).build(name, path)


def _model_type(data: dict[str, Any], path: Path) -> str:
    if "model_type" in data:
        found = data["model_type"]
        if not isinstance(found, str) or found not in FAMILIES:
            raise InputError(path, "model_type", found, FAMILIES)
        return found
    architectures = data.get("architectures")
    known = [a for a in architectures if a in _ARCHITECTURES] if isinstance(architectures, list) else []
    if not known:
        found = Plain("nothing") if architectures is None else architectures
        raise InputError(path, "architectures", found, _ARCHITECTURES)
    return _ARCHITECTURES[known[0]]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(path, "file", Plain(type(error).__name__), "a readable UTF-8 JSON file") from None
    except json.JSONDecodeError as error:
        found = Plain(f"line {error.lineno}: {error.msg}")
        raise InputError(path, "file", found, "a Hugging Face config.json") from None
    if not isinstance(data, dict):
        raise InputError(path, "file", Plain(type(data).__name__), "a JSON object with a model_type")
    return data
