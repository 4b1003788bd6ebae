"""What real SST said about each case, kept as data with its version and command."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.whole_file import write_whole

VERSION = "16.0.0"


@dataclass(frozen=True)
class RecordedCase:
    """One case as SST ran it."""

    timeline: Timeline
    fingerprint: str
    """Of the machine and program; see `moe_cosim.sim.crosscheck.case.fingerprint`."""
    wall_s: float


@dataclass(frozen=True)
class Recording:
    """All recorded cases of one SST version."""

    sst_version: str
    command: str
    cases: dict[str, RecordedCase]

    def save(self, folder: Path) -> None:
        """``sst-<version>.json`` says what it is; ``sst-<version>.npz`` has the timelines."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {
            f"{name}/{side}": getattr(case.timeline, side)
            for name, case in self.cases.items()
            for side in ("start_ps", "end_ps")
        }
        about = {
            "sst_version": self.sst_version,
            "command": self.command,
            "cases": {
                name: {"fingerprint": case.fingerprint, "wall_s": round(case.wall_s, 3)}
                for name, case in self.cases.items()
            },
        }
        timelines = io.BytesIO()
        np.savez_compressed(timelines, **arrays)
        write_whole(folder / f"sst-{VERSION}.npz", timelines.getvalue())
        write_whole(folder / f"sst-{VERSION}.json", (json.dumps(about, indent=1) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> Recording:
        """The one of the SST that this project is proved with. Raises `InputError` where there is none."""
        path = folder / f"sst-{VERSION}.json"
        if not path.is_file():
            raise InputError(path, "recording", Plain("no such file"), "a recording (moe-cosim crosscheck --record)")
        about = json.loads(path.read_text(encoding="utf-8"))
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            cases = {
                name: RecordedCase(
                    Timeline(arrays[f"{name}/start_ps"], arrays[f"{name}/end_ps"]), said["fingerprint"], said["wall_s"]
                )
                for name, said in about["cases"].items()
            }
        return cls(about["sst_version"], about["command"], cases)

    def of(self, name: str, fingerprint: str) -> RecordedCase:
        """The recorded case; `InputError` for one that was recorded of another program."""
        found = self.cases.get(name)
        if found is None or found.fingerprint != fingerprint:
            state = "not recorded" if found is None else "recorded of another program"
            raise InputError("crosscheck", name, Plain(state), "a case as recorded (record again with --record)")
        return found
