"""Reading a Hugging Face ``config.json``: which family it is, and the way to a `Model`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.plain_file import read_plain
from moe_cosim.schema import check
from moe_cosim.workloads.models.checkpoint import declared_in
from moe_cosim.workloads.models.family import families
from moe_cosim.workloads.models.model import Model

_OF_THE_WHOLE: Final = ("tie_word_embeddings", "quantization_config", "compression_config", "quantization")
_NOT_MODELLED: Final = {
    "is_encoder_decoder": "an encoder and a decoder",
    "compress_ratios": "attention over compressed keys",
}
"""Fields that mean what is not modelled, and what they mean."""


def read_hf_config(path: Path) -> Model:
    """The model a ``config.json`` describes; raises `InputError` naming the file and the field.

    Of a model that also sees or hears, the language model. It is named after the file, or after its folder when it
    is called ``config.json``, or after its repository in a cache of the Hugging Face hub.
    """
    data = read_config(path)
    family = families.get(_family(data, path), path, "model_type")
    inside, text = _language_model(data)
    name, hf_id = _names(path)
    return check(family, text, path, inside).build(name, path, hf_id, _quantization(text, path))


def _quantization(text: dict[str, Any], path: Path) -> Any:
    """As the file declares it, or ModelOpt in a file beside it."""
    declared, beside = declared_in(text), path.with_name(path.name.removesuffix("config.json") + "hf_quant_config.json")
    if declared is None and path.name.endswith("config.json") and beside.is_file():
        return declared_in(read_config(beside))
    return declared


def family_name(path: Path) -> str:
    """The family of the model that a ``config.json`` describes; raises `InputError` as `read_hf_config`."""
    return _family(read_config(path), path)


def _language_model(data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Where its fields are nested, and the fields. Tied embeddings and quantization are the whole model's to say."""
    for inside in (("thinker_config", "text_config"), ("text_config",)):
        nested: Any = data
        for name in inside:
            nested = nested.get(name) if isinstance(nested, dict) else None
        if isinstance(nested, dict):
            outer = {name: data[name] for name in _OF_THE_WHOLE if data.get(name) is not None}
            return ".".join(inside), nested | outer
    return "", data


def _names(path: Path) -> tuple[str, str]:
    """What the model is called, and its name on the hub where that is known."""
    folder = path.parent.resolve()  # the file itself may be a link to a blob
    for cached in (folder, *folder.parents):
        if cached.name.startswith("models--"):
            organisation, _, name = cached.name.removeprefix("models--").partition("--")
            return name or organisation, f"{organisation}/{name}" if name else organisation
    if path.name != "config.json":
        return path.stem, ""
    return folder.name, ""


def _family(data: dict[str, Any], path: Path) -> str:
    _, text = _language_model(data)
    for fields in (text, data):
        found = fields.get("model_type")
        if isinstance(found, str) and found in families.names():
            return found
    if "model_type" in data:
        found = data["model_type"]
        _refuse_other_layers(data, text, path)
        raise InputError(path, "model_type", found, families.names())
    architectures = data.get("architectures")
    # its own, not those it inherits
    by_architecture = {name: of_name for of_name, family in families for name in vars(family).get("architectures", ())}
    named = architectures if isinstance(architectures, list) else []
    found_here = [name for name in named if isinstance(name, str) and name in by_architecture]
    if not found_here:
        shown = Plain("nothing") if architectures is None else architectures
        raise InputError(path, "architectures", shown, by_architecture)
    return by_architecture[found_here[0]]


def _refuse_other_layers(data: dict[str, Any], text: dict[str, Any], path: Path) -> None:
    """Says which field means layers that are not modelled."""
    for field, what in _NOT_MODELLED.items():
        for fields in (text, data):
            if fields.get(field):
                raise InputError(path, field, Plain(what), "attention over the keys and values of single tokens")


def read_config(path: Path) -> dict[str, Any]:
    """The fields of a ``config.json``. Raises `InputError`."""
    try:
        data = json.loads(read_plain(path).decode("utf-8-sig"))
    except OSError as error:
        raise InputError(path, "file", what_failed(error), "a readable UTF-8 JSON file") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(path, "file", what_failed(error), "a readable UTF-8 JSON file") from None
    except json.JSONDecodeError as error:
        found = Plain(f"line {error.lineno}: {error.msg}")
        raise InputError(path, "file", found, "a Hugging Face config.json") from None
    except ValueError as error:  # a number of thousands of digits
        raise InputError(path, "file", Plain(str(error)), "a Hugging Face config.json") from None
    if not isinstance(data, dict):
        raise InputError(
            path, "file", data if data is None else Plain(type(data).__name__), "a JSON object with a model_type"
        )
    return data
