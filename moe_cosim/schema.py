"""Checking outside data against a pydantic class, with the project's one-line errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from moe_cosim.errors import InputError, Plain
from moe_cosim.escape import checked_line

Count = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
Size = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
Few = Annotated[int, Field(strict=True, ge=1, le=2**15 - 1)]
"""Layers or experts: as many as the tags of a program can number."""
Line = Annotated[str, Field(strict=True), AfterValidator(checked_line)]
"""A name, or whatever else stands on one line."""
Flag = Annotated[bool, Field(strict=True)]

S = TypeVar("S", bound=BaseModel)

_WORDS = {
    "dict_type": "a mapping of fields",
    "list_type": "a list",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
}
"""By pydantic's type of error, where its own words are a programmer's."""


def check(schema: type[S], data: Mapping[str, Any], where: object, prefix: str = "") -> S:
    """`data` as a `schema`; the first thing wrong with it is an `InputError`."""
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        # a misspelt field is both unknown and missing: the spelling is what to say
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        field = f"{prefix}.{path}" if prefix else path
        if first["type"] == "missing":
            raise InputError(where, field, Plain("nothing"), "a value (the field is required)") from None
        if first["type"] == "extra_forbidden":
            legal = _fields_at(schema, first["loc"][:-1])
            raise InputError(where, field, Plain("an unknown field"), legal) from None
        allowed = _WORDS.get(first["type"]) or first["msg"].removeprefix("Input should be ").removeprefix(
            "Value error, "
        )
        raise InputError(where, field, first["input"], allowed) from None


def _fields_at(schema: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """Fields of the class that is nested in `schema` at `path`."""
    found: Any = schema
    for part in path:
        nested = found.model_fields[part].annotation if isinstance(part, str) else None
        if not (isinstance(nested, type) and issubclass(nested, BaseModel)):
            break  # inside a list or a union: the outer class is the best that can be said
        found = nested
    return [info.alias or name for name, info in found.model_fields.items()]
