"""Options of plug-ins: declared once, as a pydantic class, and checked, listed and documented from it.

    class LruOptions(Options):
        cache_experts: int | None = option(None, "slots per layer", unit="experts", ge=1, at_most=EXPERTS)

A plug-in names its class in `options_class`. Values come from an experiment, so they are taken
strictly: no text for a number, no 1 for true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict
from pydantic_core import PydanticUndefined

from moe_cosim.errors import InputError, Plain

EXPERTS: Final = "the experts of a layer"
TOP_K: Final = "the experts of a token"
"""What `at_most` may name: limits that are known once the model is."""


class Options(BaseModel):
    """What one plug-in may be told; this class itself: nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


O = TypeVar("O", bound=Options)  # noqa: E741 - the usual letter for a type


def option(
    default: Any,
    meaning: str,
    *,
    unit: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    at_most: str = "",
    allowed: str = "",
) -> Any:
    """A field of an `Options` class; `...` as default: the experiment has to say it.

    `at_most` names a limit that only the model fixes; `allowed` replaces the words that type and
    limits give (``the name of a number format``).
    """
    extra: JsonDict = {"unit": unit, "at_most": at_most, "allowed": allowed}
    return Field(default, description=meaning, json_schema_extra=extra, ge=ge, gt=gt, le=le, lt=lt)


@dataclass(frozen=True)
class OptionRow:
    """One option as tables show it."""

    field: str
    default: Any
    """None also where it has to be given (`required`)."""
    required: bool
    allowed: str
    unit: str
    meaning: str


def option_rows(options_class: type[BaseModel], limits: Mapping[str, int] | None = None) -> list[OptionRow]:
    """Every option of a class (or field of any pydantic class), in the order in which they are declared.

    `limits` are the values of what `at_most` names, where they are known.
    """
    properties: dict[str, dict[str, Any]] = options_class.model_json_schema().get("properties", {})
    rows = []
    for field, info in options_class.model_fields.items():
        name = info.alias or field
        found = properties[name]
        default = None if info.default is PydanticUndefined else info.default
        allowed = found.get("allowed") or _allowed(found, limits or {})
        rows.append(
            OptionRow(name, default, info.is_required(), allowed, found.get("unit", ""), info.description or "")
        )
    return rows


def read_options(
    options_class: type[O],
    given: Mapping[str, Any],
    where: object,
    prefix: str,
    limits: Mapping[str, int] | None = None,
    beside: tuple[str, ...] = (),
) -> O:
    """`given` as an `options_class`; the first thing wrong with it is an `InputError` for `prefix`.FIELD.

    `beside` are fields of `prefix` that are no options, for whoever misspells one.
    """
    for name in given:
        if name not in options_class.model_fields:
            legal = [*options_class.model_fields, *beside] or "no options"
            raise InputError(where, f"{prefix}.{name}", Plain("an unknown option"), legal)
    try:
        options = options_class.model_validate(dict(given))
    except ValidationError as error:
        raise _refused(options_class, str(error.errors()[0]["loc"][0]), given, where, prefix, limits) from None
    for name, info in options_class.model_fields.items():
        value = getattr(options, name)
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        most = (limits or {}).get(str(extra.get("at_most")))
        if most is not None and value is not None and value > most:
            raise _refused(options_class, name, given, where, prefix, limits)
    return options


def _refused(
    options_class: type[Options],
    name: str,
    given: Mapping[str, Any],
    where: object,
    prefix: str,
    limits: Mapping[str, int] | None,
) -> InputError:
    allowed = next(row.allowed for row in option_rows(options_class, limits) if row.field == name)
    found = given[name] if name in given else Plain("nothing")
    return InputError(where, f"{prefix}.{name}", found, allowed)


_TYPES: Final = {
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "a mapping",
}
"""By JSON's names."""


def _allowed(found: Mapping[str, Any], limits: Mapping[str, int]) -> str:
    """The legal values of one property of a JSON schema, in words."""
    branches = found.get("anyOf", [found])
    chosen = next(branch for branch in branches if branch.get("type") != "null")
    text = _words(chosen, str(limits.get(found.get("at_most", ""), found.get("at_most", ""))))
    return text if len(branches) == 1 else f"{text}, or null"


def _words(found: Mapping[str, Any], at_most: str) -> str:
    if "enum" in found or "const" in found:
        return "one of " + ", ".join(map(str, found.get("enum", [found.get("const")])))
    text = _TYPES[found["type"]]
    low, above = _limit(found.get("minimum")), _limit(found.get("exclusiveMinimum"))
    high, below = _limit(found.get("maximum", at_most or None)), _limit(found.get("exclusiveMaximum"))
    if low is not None and high is not None:
        return f"{text} from {low} to {high}"
    parts = [
        f"{word} {limit}"
        for word, limit in (("from", low), ("above", above), ("to", high), ("below", below))
        if limit is not None
    ]
    return " ".join([text, " and ".join(parts)]) if parts else text


def _limit(found: float | str | None) -> str | None:
    """As text that is the same for every pydantic: before 2.11 a schema has 1.0 where later ones have 1."""
    return None if found is None else str(found).removesuffix(".0")
