"""The site file: what a cluster wants to be told, in its scheduler's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from moe_cosim.errors import InputError, Plain
from moe_cosim.schema import Count, Line, check
from moe_cosim.yaml_file import read_yaml

_WORD: Final = re.compile(r"[A-Za-z0-9_.:,@%+/=\[\]()&|!<>*-]+")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TIME: Final = re.compile(r"(?:(\d{1,3})-)?(\d{1,4}):([0-5]\d):([0-5]\d)", re.ASCII)


def _one_word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError("a name without spaces, quotes or control characters")
    return text


def _module(text: str) -> str:
    if text.startswith("-"):
        raise ValueError("a module's name")
    return _one_word(text)


def _variable(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("a variable's name (letters, digits and _)")
    return text


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("text without NUL")
    return text


def _time(text: str) -> str:
    parse_time(text, "site", "time")
    return text


Word = Annotated[str, Field(strict=True), AfterValidator(_one_word)]
Time = Annotated[str, Field(strict=True), AfterValidator(_time)]
_Module = Annotated[str, Field(strict=True), AfterValidator(_module)]
_Variable = Annotated[str, Field(strict=True), AfterValidator(_variable)]
_Value = Annotated[str, Field(strict=True), AfterValidator(_no_nul)]


class Site(BaseModel):
    """What all schedulers share. Field names are the schedulers' own, with ``-`` as they write them."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        alias_generator=lambda name: name.replace("_", "-"),
    )

    scheduler: Word
    """The batch system that the site has."""
    modules: list[_Module] = []
    """Environment modules to load."""
    environment: dict[_Variable, _Value] = {}
    """Variables of the work."""
    options: list[Line] = []
    """Further options of the scheduler, printed as they are."""
    lines: list[Line] = []
    """Shell lines before the work, printed as they are."""
    python: Annotated[str, Field(strict=True, min_length=1)] | None = None
    """The interpreter on the nodes. Where nothing is said: the ``python3`` that modules, environment and lines make
    ready, else the one that submits."""
    container: Line | None = None
    """Image that Apptainer (or Singularity) runs the work in."""
    launcher: Line | None = None
    """What starts MPI ranks (``-n RANKS`` is added), for points on an engine with ranks."""
    max_array: Count | None = None
    """Elements that this site allows in one array."""

    @property
    def limit_s(self) -> int | None:
        """The time limit in the site file."""
        return None


ClassOf = Callable[[str, object], type[Site]]
"""From a scheduler's name to the class of its sites; `InputError` naming the second argument for an unknown one."""


def load_site(path: Path | None, scheduler: str | None, class_of: ClassOf) -> Site:
    """The site file, or a bare site of `scheduler`; `InputError` when they disagree or neither is given."""
    if path is None:
        if scheduler is None:
            raise InputError("sweep submit", "--scheduler", Plain("neither it nor --site"), "one of the two")
        return site_of({"scheduler": scheduler}, "sweep submit", class_of)
    tree = read_yaml(path)
    said = tree.setdefault("scheduler", scheduler)
    if scheduler is not None and said != scheduler:
        raise InputError(path, "scheduler", said, f"{scheduler!r}, as the command line says")
    if said is None:
        raise InputError(path, "scheduler", Plain("nothing"), "a scheduler, here or as --scheduler")
    return site_of(tree, path, class_of)


def site_of(tree: dict[str, Any], where: object, class_of: ClassOf) -> Site:
    """A site from its fields, checked by its scheduler's class. Raises `InputError`."""
    name = tree.get("scheduler")
    if not isinstance(name, str):
        raise InputError(where, "scheduler", name, "a scheduler's name")
    return check(class_of(name, where), tree, where)


def parse_time(text: object, where: object, field: str) -> int:
    """Seconds of ``[days-]hours:minutes:seconds``, or of a number of minutes.

    Two numbers (``10:30``) are minutes and seconds to some schedulers and hours and minutes to others: `InputError`, as
    for less than a minute.
    """
    allowed = "[days-]hours:minutes:seconds such as 04:00:00, or minutes in quotes such as '90'"
    if not isinstance(text, str):
        raise InputError(where, field, text, allowed)
    if text.isdecimal() and text.isascii() and len(text) <= 6:
        seconds = int(text) * 60
    else:
        match = _TIME.fullmatch(text)
        if match is None:
            raise InputError(where, field, text, allowed)
        days, hours, minutes, rest = (int(part or 0) for part in match.groups())
        seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    if seconds < 60:
        raise InputError(where, field, text, "a minute or more")
    return seconds


def hours_minutes_seconds(seconds: int) -> str:
    """As ``04:00:00``, which all schedulers read alike; more than 99 hours have more digits."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"
