"""Reading a Hugging Face ``config.json``: which family it is, and the way to a `Model`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from moe_cosim.errors import InputError, Plain
from moe_cosim.schema import check
from moe_cosim.workloads.models.family import families
from moe_cosim.workloads.models.model import Model


def read_hf_config(path: Path) -> Model:
    """The model a ``config.json`` describes; raises `InputError` naming the file and the field.

    The model is named after the file, or after its folder when it is called ``config.json``.
    """
    data = _read_json(path)
    family = families.get(_family(data, path), path, "model_type")
    name = path.resolve().parent.name if path.name == "config.json" else path.stem
    return check(family, data, path).build(name, path)


def family_name(path: Path) -> str:
    """The family of the model that a ``config.json`` describes; raises `InputError` as `read_hf_config`."""
    return _family(_read_json(path), path)


def _family(data: dict[str, Any], path: Path) -> str:
    if "model_type" in data:
        found = data["model_type"]
        if not isinstance(found, str):
            raise InputError(path, "model_type", found, families.names())
        return found
    architectures = data.get("architectures")
    # its own, not those it inherits
    by_architecture = {name: of_name for of_name, family in families for name in vars(family).get("architectures", ())}
    named = architectures if isinstance(architectures, list) else []
    found_here = [name for name in named if isinstance(name, str) and name in by_architecture]
    if not found_here:
        shown = Plain("nothing") if architectures is None else architectures
        raise InputError(path, "architectures", shown, by_architecture)
    return by_architecture[found_here[0]]


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
