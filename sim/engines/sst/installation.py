"""The SST on this machine: where it is, what it has, and what is missing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moe_cosim.errors import InputError
from moe_cosim.sim.engines.sst.failures import SstMissingError
from moe_cosim.sim.engines.sst.process import call

GUIDE: Final = "https://sst-simulator.org"
"""SST's own site, with its installation guide."""

WANTED_VERSION: Final = "16.0.0"
NEEDED_LIBRARIES: Final = ("memHierarchy", "merlin")


@dataclass(frozen=True)
class Installation:
    """Programs, version and libraries of one SST, as its own programs say them."""

    sst: Path
    sst_info: Path
    sst_config: Path
    version: str
    library_folder: Path | None
    """Of SST's own element libraries."""
    libraries: tuple[str, ...]
    mpirun: Path | None
    mpi: str
    """First line of ``mpirun --version``; empty where there is none."""

    def config(self, key: str) -> str:
        """A value of ``sst-config``, such as ``CXX``; empty where it has none."""
        outcome = call([str(self.sst_config), f"--{key}"])
        return outcome.output.strip() if outcome.returncode == 0 else ""

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps this installation from running an experiment, or may make it behave otherwise."""
        found = [f"element library {name} is missing" for name in NEEDED_LIBRARIES if name not in self.libraries]
        if self.version != WANTED_VERSION:
            found.append(f"version {self.version or 'unknown'}: this project was proved with {WANTED_VERSION}")
        return tuple(found)


def find_installation() -> Installation:
    """The SST on the PATH. Raises `SstMissingError` where there is none."""
    sst = shutil.which("sst")
    if sst is None:
        raise SstMissingError(f"no program 'sst' on the PATH; how to install SST {WANTED_VERSION}: {GUIDE}")
    version = re.search(r"\(([^)]+)\)", call([sst, "--version"], env=single_process_environment()).output)
    beside = Path(sst).parent
    folder = _library_folder(beside / "sst-config")
    libraries = sorted(p.name[3:-3] for p in folder.glob("lib*.so")) if folder else []
    mpirun = shutil.which("mpirun")
    lines = call([mpirun, "--version"]).output.splitlines() if mpirun else []
    return Installation(
        Path(sst),
        beside / "sst-info",
        beside / "sst-config",
        version.group(1) if version else "",
        folder,
        tuple(libraries),
        Path(mpirun) if mpirun else None,
        lines[0].strip() if lines else "",
    )


def _library_folder(sst_config: Path) -> Path | None:
    outcome = call([str(sst_config), "SST_ELEMENT_LIBRARY", "SST_ELEMENT_LIBRARY_LIBDIR"])
    folder = Path(outcome.output.strip())
    return folder if outcome.returncode == 0 and folder.is_dir() else None


def single_process_environment() -> Mapping[str, str]:
    """The environment with Open MPI told not to look for networks: starts in 0.1 s in place of 0.4 s."""
    quick = {"OMPI_MCA_btl": "self", "OMPI_MCA_pml": "ob1", "OMPI_MCA_ess_singleton_isolated": "1"}
    return {**quick, **os.environ}


def mpi_environment() -> Mapping[str, str]:
    """The environment for mpirun: more ranks than cores allowed, and root where it is root that asks (containers)."""
    wanted = {"OMPI_MCA_rmaps_base_oversubscribe": "1", "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        wanted |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return {**wanted, **os.environ}


def has_ramulator(found: Installation) -> bool:
    """Whether its memHierarchy was built with the back end for Ramulator 2."""
    outcome = call([str(found.sst_info), "memHierarchy.ramulator2"], env=single_process_environment())
    return outcome.returncode == 0 and "SubComponent 0: ramulator2" in outcome.output


def require_back_end(found: Installation, memory: str) -> None:
    """Raises `InputError` for ``ramulator2`` where memHierarchy was built without it."""
    if memory == "ramulator2" and not has_ramulator(found):
        allowed = "shares, commands or timing: its memHierarchy was built without Ramulator 2"
        raise InputError(f"SST {found.version} at {found.sst}", "memory", memory, allowed)


def doctor_lines() -> tuple[list[str], bool]:
    """What ``moe-cosim doctor`` prints of SST, and whether the sst engine can be used."""
    try:
        found = find_installation()
    except SstMissingError as error:
        return [f"SST: {error.summary}", "the embedded engine needs none"], False
    lines = [
        f"SST: {found.version or 'unknown version'} at {found.sst}",
        f"element libraries: {', '.join(found.libraries) or 'none found'}",
        f"Ramulator 2 back end: {'in memHierarchy' if has_ramulator(found) else 'none (ramulator2 is refused)'}",
        f"MPI: {found.mpi or 'no mpirun on the PATH (--ranks cannot be used)'}",
        f"compiler: {found.config('CXX') or 'sst-config not found (moe-cosim sst build cannot be used)'}",
    ]
    lines += [f"problem: {problem}; see {GUIDE}" for problem in found.problems]
    return lines, not any("missing" in problem for problem in found.problems)
