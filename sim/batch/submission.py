"""A submission: the folder ``STORE/batch/<id>`` with its points, scripts, logs and job ids.

Written aside and renamed, then changed only by replacing ``submission.json`` whole.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from moe_cosim.errors import InputError, Plain, RunError, what_failed
from moe_cosim.schema import Count, Line, Size
from moe_cosim.sim.sweep.identity import own_file
from moe_cosim.whole_file import whole_folder, write_whole

FOLDER: Final = "batch"
RECORD: Final = "submission.json"
POINTS: Final = "points.txt"
POINTS_SCRIPT: Final = "points.sh"
COLLECT_SCRIPT: Final = "collect.sh"
SCHEMA: Final = 1
_MOST_POINTS: Final = 10**8
_JobId = Annotated[str, Field(pattern=r"^\w[\w.;:\[\]-]{0,99}$")]
"""It becomes a word of the scheduler's commands: no option, whoever wrote the record."""


class SubmissionRecord(BaseModel):
    """What is known of a submission."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA
    plan_id: Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$")]
    name: Line
    site: dict[str, Any]
    """The site file's fields; `scheduler` is one of them."""
    chunk: int = Field(ge=1, le=_MOST_POINTS)
    """Points of an element; the last may have fewer."""
    points: int = Field(ge=1, le=_MOST_POINTS)
    ranks: Count = 1
    time_s: Count | None = None
    warning_s: Size
    point_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """What a point was estimated to take on one core; None where a chunk was asked for, or nobody could say."""
    cores: Count = 1
    """Asked for, for points side by side."""
    point_bytes: int | None = Field(default=None, ge=1)
    memory_bytes: int | None = Field(default=None, ge=1)
    """What an element needs by the estimate; asked for where the site file says nothing of memory."""
    created: Line
    job_ids: list[_JobId] = []
    collect_ids: list[_JobId] = []
    cancelled: bool = False

    @property
    def scheduler(self) -> str:
        """Its name, as the site file has it."""
        return str(self.site["scheduler"])

    @property
    def elements(self) -> int:
        """Elements of the array: points in chunks, the last one perhaps shorter."""
        return -(-self.points // self.chunk)


class Submission:
    """One submission on disk. Reading raises `InputError` where a file is missing or damaged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def store_path(self) -> Path:
        """The store that its points go to."""
        return self.folder.parent.parent

    def record(self) -> SubmissionRecord:
        """As ``submission.json`` has it now."""
        path = self.folder / RECORD
        try:
            return SubmissionRecord.model_validate_json(own_file.read(path))
        except OSError as error:
            raise InputError(path, "file", what_failed(error), "a submission's record") from None
        except ValueError:
            raise InputError(path, "file", Plain("no whole record of this version"), "a submission's record") from None

    def refuse_others(self) -> None:
        """Raises `InputError` for a submission of somebody else: its site's lines are shell, its jobs are not ours."""
        owner = os.lstat(self.folder / RECORD).st_uid
        if owner != os.geteuid():
            found = Plain(f"user {owner}'s")
            raise InputError(self.folder, "owner", found, "submissions of your own (or another site with --site)")

    def replace(self, record: SubmissionRecord) -> None:
        """Write the record anew, whole."""
        write_whole(self.folder / RECORD, _document(record))

    def remove(self) -> None:
        """Take back a submission that no scheduler has accepted."""
        shutil.rmtree(self.folder)

    def point_ids(self) -> list[str]:
        """All its points, in the order in which elements take them."""
        path = self.folder / POINTS
        try:
            return own_file.read(path).decode("ascii").split()
        except (OSError, ValueError) as error:
            raise InputError(path, "file", what_failed(error), "the points of a submission") from None

    def element_points(self, index: int) -> list[str]:
        """Ids of element `index` (from 1)."""
        record = self.record()
        if not 1 <= index <= record.elements:
            raise InputError(self.folder, "element", index, f"1 to {record.elements}")
        return self.point_ids()[(index - 1) * record.chunk : index * record.chunk]

    def log(self, name: str) -> Path:
        """File of what an element or script of this name prints."""
        return self.folder / "log" / f"{name}.log"

    def used(self, index: int) -> Path:
        """Where element `index` keeps what it has used: `usage`."""
        return self.folder / "used" / f"{index}.json"


def submissions(store_path: Path) -> list[Submission]:
    """All of a store, oldest first."""
    folder = store_path / FOLDER
    if not folder.is_dir():
        return []
    names = (entry.name for entry in folder.iterdir() if (entry / RECORD).is_file() and entry.name[0] != ".")
    return [Submission(folder / name) for name in sorted(names)]


def new_folder(store_path: Path) -> Path:
    """The place of a new submission; nothing is written."""
    moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    return store_path.resolve() / FOLDER / f"{moment}-{secrets.token_hex(3)}"


def create(folder: Path, record: SubmissionRecord, point_ids: Sequence[str], scripts: dict[str, str]) -> Submission:
    """Write a submission's folder; it appears whole. Raises `RunError` where that cannot be written."""
    try:
        with whole_folder(folder) as aside:
            (aside / "log").mkdir()
            (aside / "used").mkdir()
            write_whole(aside / POINTS, "".join(f"{each}\n" for each in point_ids).encode())
            for name, text in scripts.items():
                write_whole(aside / name, text.encode(errors="surrogateescape"))
            write_whole(aside / RECORD, _document(record))
    except OSError as error:
        raise RunError(f"{folder}: cannot write there: {error.strerror}") from None
    return Submission(folder)


def _document(record: SubmissionRecord) -> bytes:
    return (record.model_dump_json(indent=1) + "\n").encode()
