"""Checking outside data against a pydantic class, with the project's one-line errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from moe_cosim.errors import InputError, Plain, one_of

Count = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
Size = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
Flag = Annotated[bool, Field(strict=True)]

S = TypeVar("S", bound=BaseModel)


def check(schema: type[S], data: Mapping[str, Any], where: object, prefix: str = "") -> S:
    """`data` as a `schema`; the first thing wrong with it is an `InputError`."""
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        field = f"{prefix}.{path}" if prefix else path
        if first["type"] == "missing":
            raise InputError(where, field, Plain("nothing"), "a value (the field is required)") from None
        if first["type"] == "extra_forbidden":
            raise InputError(where, field, Plain("an unknown field"), one_of(schema.model_fields, path)) from None
        allowed = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        raise InputError(where, field, first["input"], allowed) from None
