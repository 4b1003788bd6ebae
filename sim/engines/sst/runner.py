"""Runs ``sst`` on an emitted folder and makes sure that what comes back is a whole result."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.sim.engines.sst.failures import (
    SstBadConfigurationError,
    SstIncompleteError,
    SstMissingError,
    failure_of,
    unfinished,
)
from moe_cosim.sim.engines.sst.folder import JSON_CONFIGURATION, PYTHON_CONFIGURATION, Emitted
from moe_cosim.sim.engines.sst.graph.build import LONGEST
from moe_cosim.sim.engines.sst.installation import Installation, mpi_environment, single_process_environment
from moe_cosim.sim.engines.sst.options import SstOptions
from moe_cosim.sim.engines.sst.streams import read_times

LAUNCHER: Final = "MOE_COSIM_LAUNCHER"
"""Environment variable that replaces mpirun, for clusters whose batch system starts ranks itself."""

_KEPT_LINES: Final = 200
_PROGRESS: Final = re.compile(r"moecosim progress (\S+) (\d+) (\d+)")
_CORE: Final = "moecosim.StreamCore"


def run_command(installation: Installation, library: Path, options: SstOptions) -> list[str]:
    """The command line for a folder that is the current one."""
    launch = launch_words(installation, options.ranks) if options.ranks > 1 else []
    return [
        *launch,
        str(installation.sst),
        f"--add-lib-path={library}",
        f"--num-threads={options.threads}",
        f"--stop-at={LONGEST}",
        f"--exit-after={_clock(options.time_limit_s)}",
        PYTHON_CONFIGURATION if options.configuration == "python" else JSON_CONFIGURATION,
    ]


def launch_words(installation: Installation, ranks: int) -> list[str]:
    """What starts `ranks` processes: mpirun, or the words in MOE_COSIM_LAUNCHER (``srun``, ``flux run``). Raises
    `SstMissingError` where there is none.
    """
    launcher = shlex.split(os.environ.get(LAUNCHER, ""))
    if launcher:
        return [*launcher, "-n", str(ranks)]
    if installation.mpirun is None:
        raise SstMissingError(f"no program 'mpirun' on the PATH: run without --ranks, install MPI, or set {LAUNCHER}")
    return [str(installation.mpirun), "-np", str(ranks)]


def run_folder(
    emitted: Emitted,
    installation: Installation,
    library: Path,
    options: SstOptions,
    progress: Callable[[float], None] | None = None,
) -> list[NDArray[np.void]]:
    """[events] times of each stream. Raises the `SstError` that names what went wrong."""
    _check_shares(emitted, options)
    command = run_command(installation, library, options)
    environment = mpi_environment() if options.ranks > 1 else single_process_environment()
    events = sum(len(stream.events) for stream in emitted.streams)
    code, output = _watch(command, emitted.folder, environment, events, progress)
    failure = failure_of(code, output, options.time_limit_s)
    if failure is not None:
        raise failure
    _require_finished(emitted, output)
    times = [read_times(_timeline(emitted, stream.device.name), stream) for stream in emitted.streams]
    for stream, measured in zip(emitted.streams, times, strict=True):
        bad = (measured["start_ps"] < 0) | (measured["end_ps"] < measured["start_ps"])
        if bad.any():
            summary = f"device {stream.device.name}: {int(bad.sum())} of {len(bad)} events have no start or end"
            raise SstIncompleteError(summary, output)
    return times


def _check_shares(emitted: Emitted, options: SstOptions) -> None:
    pieces, wanted = emitted.graph.pieces(), options.ranks * options.threads
    if wanted > pieces:
        found = Plain(f"{options.ranks} ranks of {options.threads} threads")
        allowed = f"at most {pieces} threads in all: so many pieces has {emitted.graph.title!r}"
        raise InputError("sst engine", "ranks, threads", found, allowed)


def _timeline(emitted: Emitted, device: str) -> Path:
    return emitted.folder / f"{device}.timeline"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _watch(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    events: int,
    progress: Callable[[float], None] | None,
) -> tuple[int, list[str]]:
    """Exit code and the last lines of a run; the program goes when this process is interrupted."""
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    ended: dict[str, int] = {}
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise SstMissingError(f"{command[0]}: {error.strerror}") from None
    try:
        assert process.stdout is not None
        for line in process.stdout:
            seen = _PROGRESS.search(line)
            if seen is None:
                last.append(line.rstrip("\n"))
                continue
            ended[seen.group(1)] = int(seen.group(2))
            if progress is not None and events:
                progress(min(1.0, sum(ended.values()) / events))
        return process.wait(), list(last)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _require_finished(emitted: Emitted, output: Sequence[str]) -> None:
    """Every core must have reported that all its events ended."""
    flags = _finished_flags(emitted.folder, emitted.graph.statistics_file)
    cores = [component.name for component in emitted.graph.components if component.type == _CORE]
    silent = [core for core in cores if core not in flags]
    if silent and flags:
        raise SstIncompleteError(f"no 'finished' statistic of {', '.join(silent)}", output)
    if silent:
        raise SstBadConfigurationError("SST ended without running: no core reported anything", output)
    if not all(flags[core] for core in cores):
        raise unfinished(output)


def _finished_flags(folder: Path, statistics_file: str) -> dict[str, bool]:
    """Core to whether it finished, from the files of all ranks."""
    stem, _, suffix = statistics_file.rpartition(".")
    flags: dict[str, bool] = {}
    for path in sorted([*folder.glob(statistics_file), *folder.glob(f"{stem}_*.{suffix}")]):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if (row.get("StatisticName") or "").strip() == "finished":
                    flags[(row["ComponentName"] or "").strip()] = (row.get("Sum.u64") or "").strip() == "1"
    return flags
