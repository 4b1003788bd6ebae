"""Our SST elements compiled once per SST version and source, into the user's cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path

from sim.sst.failures import SstBuildFailedError
from sim.sst.installation import Installation
from sim.sst.process import call

LIBRARY_FILE: Final = "libmoecosim.so"
"""SST looks for ``lib<library>.so``, the library being what element names begin with."""

_FLAGS: Final = ("-O2", "-Wall", "-Wextra")


def sources() -> list[Path]:
    """The C++ files of the elements, headers included, by name."""
    folder = Path(str(files("hw_models") / "sst"))
    return sorted([*folder.glob("*.cc"), *folder.glob("*.h")])


def compile_command(installation: Installation, target: Path, folder: Path) -> list[str]:
    """The compiler's command line for the sources in `folder`."""
    elements = installation.library_folder
    return [
        *shlex.split(installation.config("CXX")),
        *shlex.split(installation.config("ELEMENT_CXXFLAGS")),
        *_FLAGS,
        *(str(path) for path in sorted(folder.glob("*.cc"))),
        *shlex.split(installation.config("ELEMENT_LDFLAGS")),
        *([f"-L{elements}", f"-Wl,-rpath,{elements}"] if elements else []),
        "-lmemHierarchy",
        "-o",
        str(target),
    ]


def build_library(installation: Installation) -> Path:
    """The folder with the compiled library; compiled where the cache lacks it. Raises `SstBuildFailedError`."""
    compiler = shlex.split(installation.config("CXX"))
    if not compiler:
        raise SstBuildFailedError(f"{installation.sst_config} names no compiler (is sst-config missing?)")
    if shutil.which(compiler[0]) is None:
        raise SstBuildFailedError(f"the compiler {compiler[0]!r} that SST was built with is not on the PATH")
    folder = user_cache_path("moe-cosim") / "sst" / f"{installation.version}-{_fingerprint(installation)}"
    if (folder / LIBRARY_FILE).is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock, tempfile.TemporaryDirectory(dir=folder) as scratch:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second finds what the first has built
        if not (folder / LIBRARY_FILE).is_file():
            target = Path(scratch) / LIBRARY_FILE
            outcome = call(compile_command(installation, target, sources()[0].parent))
            if outcome.returncode:
                raise SstBuildFailedError("the compiler refused the elements", outcome.output.splitlines())
            os.replace(target, folder / LIBRARY_FILE)
    return folder


def _fingerprint(installation: Installation) -> str:
    """Of the sources, the command and the place of SST: whatever changes the library."""
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update(repr(compile_command(installation, Path(LIBRARY_FILE), sources()[0].parent)).encode())
    return digest.hexdigest()[:16]
