"""What the store keeps of one point, and how it is told whole from damaged."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from moe_cosim.errors import what_failed
from moe_cosim.sim.sweep.identity import own_file
from moe_cosim.sim.sweep.identity.digest import SOURCE_DIGITS, canonical, digest
from moe_cosim.sim.sweep.identity.files import named_directly
from moe_cosim.sim.sweep.identity.point import configuration_of
from moe_cosim.sim.sweep.identity.sources import sources_before_schema_3
from moe_cosim.sim.sweep.store.checked import checked

SCHEMA: Final = 3
"""1: plain JSON files. 2: compressed, with the files of the point's plan. 3: with a digest per component of the
sources, and the files of the point alone."""

UNREPEATABLE: Final = ("version", "host", "wall_s", "finished_utc")
"""Fields that differ between two runs of the same point; the rest is the same to the last bit."""
UNREPEATABLE_RESULT: Final = ("version", "wall_s", "lowering_s", "engine_s", "measuring_s", "writing_s")


class DamagedError(Exception):
    """Bytes that are not a whole record. Never leaves this package: the point counts as missing."""


@dataclass(frozen=True)
class PointRecord:
    """One point, finished or failed. `result` is what ``moe-cosim run --json`` prints, less its name."""

    point_id: str
    status: str
    """``finished`` or ``failed``."""
    experiment: dict[str, Any]
    """Resolved: loading it runs the point again."""
    files: dict[str, str]
    """Path and SHA-256 of every file that it read."""
    sources: dict[str, str]
    """Digest of every component of code and catalogue that it used."""
    version: str
    """Of the package that ran it; another version of the same sources gives the same numbers."""
    host: str
    wall_s: float
    finished_utc: str
    """By the host's clock. Of several versions of a configuration `results` shows the one that finished last."""
    result: dict[str, Any] | None = None
    error: str | None = None
    """The one line of a failure."""

    @property
    def code(self) -> str:
        """One digest of all its sources."""
        return digest(self.sources, SOURCE_DIGITS)

    @property
    def configuration(self) -> str:
        """What points share that differ in the seed or in their sources alone."""
        return configuration_of(self.experiment, self.files)

    def encode(self) -> bytes:
        """A line with schema and checksum, and the record, compressed."""
        return gzip.compress(_sealed(self.text()), compresslevel=1, mtime=0)

    def text(self) -> str:
        """The record as one line of JSON."""
        return canonical(vars(self))

    def repeatable(self) -> dict[str, Any]:
        """What must be equal in every run of this point."""
        kept = {key: value for key, value in vars(self).items() if key not in UNREPEATABLE}
        if self.result is not None:
            kept["result"] = {key: value for key, value in self.result.items() if key not in UNREPEATABLE_RESULT}
        return kept


def decode(data: bytes, point_id: str) -> PointRecord:
    """The record in the bytes of a point's file; `DamagedError` unless they are whole and `point_id`'s."""
    return from_text(verified_text(data), point_id)


def read(path: str | Path, point_id: str) -> PointRecord:
    """As `decode`, of a point's file. Raises `FileNotFoundError` where there is none."""
    return decode(_bytes_of(path), point_id)


def read_text(path: str | Path) -> str:
    """As `verified_text`, of a point's file."""
    return verified_text(_bytes_of(path))


def _bytes_of(path: str | Path) -> bytes:
    try:
        return own_file.read(path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise DamagedError(f"not a file of the store's ({what_failed(error)})") from None


def verified_text(data: bytes) -> str:
    """The record's JSON, its checksum compared, not yet parsed."""
    try:
        plain = own_file.unpacked(data) if data[:2] == b"\x1f\x8b" else data  # schema 1 is not compressed
        head, _, body = plain.partition(b"\n")
        seal = json.loads(head)
        body = body.removesuffix(b"\n")
        if seal["sha256"] != hashlib.sha256(body).hexdigest():
            raise DamagedError("its checksum differs")
        return body.decode()
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"not a record ({what_failed(error)})") from None


def from_text(text: str, point_id: str) -> PointRecord:
    """The record of verified JSON, every field checked: a checksum says who wrote it no more than the text does."""
    try:
        tree = json.loads(text, parse_constant=_finite, parse_float=_finite)
        record = PointRecord(**checked(tree if "sources" in tree else _converted(tree)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"not a record ({what_failed(error)})") from None
    if record.point_id != point_id:
        raise DamagedError(f"the record of {record.point_id}")
    return record


def _finite(number: str) -> float:
    found = float(number)
    if not math.isfinite(found):
        raise ValueError("a number that is none")
    return found


def _converted(tree: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 1 or 2 as one of 3."""
    sources = sources_before_schema_3(tree["version"], tree.pop("code"))
    return {**tree, "sources": sources, "files": named_directly(tree["experiment"], tree.get("files", {}))}


def _sealed(text: str) -> bytes:
    body = text.encode()
    head = canonical({"schema": SCHEMA, "sha256": hashlib.sha256(body).hexdigest()})
    return head.encode() + b"\n" + body + b"\n"
