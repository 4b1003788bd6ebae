"""What the lines of a plan may hold: whoever can write a store can name a file after its contents too."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from moe_cosim.schema import Line

_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Header(TypedDict):
    """Older plans have ``version`` and ``code`` beside these, in place of ``sources``."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]
    name: Line
    bases: dict[str, dict[str, Any]]
    axes: list[str]
    duplicates: _Count
    removed: _Count
    files: dict[str, str]
    sources: NotRequired[dict[str, str]]


_HEADER = TypeAdapter(_Header)
_POINTS = TypeAdapter(list[tuple[_Id, dict[str, Any], str]])


def check_plan(header: Any, points: Any) -> None:
    """Raises `ValueError` for fields that are not what they should be."""
    _HEADER.validate_python(header)
    _POINTS.validate_python(points)
    for point_id, _, variant in points:
        if variant not in header["bases"]:
            raise ValueError(f"point {point_id} is of no variant of the plan")
