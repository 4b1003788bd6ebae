"""What the fields of a record may hold: whoever can write a store can write a right checksum too."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Time = Annotated[str, Field(pattern=r"^[0-9TZ:.+-]{1,40}$")]


class _Part(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    name: str


class _Assumption(_Part):
    value: Any


class _Spell(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    unit: str
    phase: str
    purpose: str
    bound: str


class _Energy(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    component: str
    cause: str


class _EnergyPurpose(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    phase: str
    purpose: str


class _Result(TypedDict, total=False):
    """What `columns.row` reads by name; the rest becomes columns as it is."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    units: list[_Part]
    memories: list[_Part]
    links: list[_Part]
    critical_path: list[_Spell]
    energy_components: list[_Energy]
    energy_purposes: list[_EnergyPurpose]
    assumptions: list[_Assumption]


class _Record(TypedDict):
    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # type: ignore[misc]
    point_id: _Id
    status: Literal["finished", "failed"]
    experiment: dict[str, Any]
    files: dict[str, str]
    sources: dict[str, str]
    version: str
    host: str
    wall_s: _Seconds
    finished_utc: _Time
    result: _Result | None
    error: str | None


_RECORD = TypeAdapter(_Record)


def checked(tree: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record as they are. Raises `ValueError` for one that is not what it should be."""
    _RECORD.validate_python(tree)
    if (tree["status"] == "finished") != (tree["result"] is not None):
        raise ValueError("a result is there where a point has finished")
    return tree
