"""Our SST elements compiled once per SST version and source, into the user's cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path

from moe_cosim.sim.engines.sst.failures import SstBuildFailedError
from moe_cosim.sim.engines.sst.installation import Installation
from moe_cosim.sim.engines.sst.process import call
from moe_cosim.whole_file import write_whole

LIBRARY_FILE: Final = "libmoecosim.so"
"""SST looks for ``lib<library>.so``, the library being what element names begin with."""

_FLAGS: Final = ("-O2", "-Wall", "-Wextra")


def sources() -> list[Path]:
    """The C++ files of the elements, headers included, by name: names are unique, and files include by name."""
    folder = Path(str(files("moe_cosim.hw_models") / "sst"))
    return sorted([*folder.rglob("*.cc"), *folder.rglob("*.h")], key=lambda path: path.name)


def compile_command(installation: Installation, names: Iterable[str]) -> list[str]:
    """The compiler's command line, for a folder with the files of these names as the current one."""
    elements = installation.library_folder
    return [
        *shlex.split(installation.config("CXX")),
        *shlex.split(installation.config("ELEMENT_CXXFLAGS")),
        *_FLAGS,
        *(name for name in names if name.endswith(".cc")),
        *shlex.split(installation.config("ELEMENT_LDFLAGS")),
        *([f"-L{elements}", f"-Wl,-rpath,{elements}"] if elements else []),
        "-lmemHierarchy",
        "-o",
        LIBRARY_FILE,
    ]


def build_library(installation: Installation) -> Path:
    """The folder with the compiled library; compiled where the cache lacks it. Raises `SstBuildFailedError`."""
    texts = {path.name: path.read_bytes() for path in sources()}
    command = compile_command(installation, texts)
    if command[0] == _FLAGS[0]:
        raise SstBuildFailedError(f"{installation.sst_config} names no compiler (is sst-config missing?)")
    if shutil.which(command[0]) is None:
        raise SstBuildFailedError(f"the compiler {command[0]!r} that SST was built with is not on the PATH")
    folder = user_cache_path("moe-cosim") / "sst" / f"{installation.version}-{_fingerprint(texts, command)}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second finds what the first has built
        if not (folder / LIBRARY_FILE).is_file():
            _compile(texts, command, folder)
    return folder


def _compile(texts: Mapping[str, bytes], command: Sequence[str], folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for name, text in texts.items():
            (Path(scratch) / name).write_bytes(text)
        outcome = call(command, cwd=Path(scratch))
        if outcome.returncode:
            raise SstBuildFailedError("the compiler refused the elements", outcome.output.splitlines())
        write_whole(folder / LIBRARY_FILE, (Path(scratch) / LIBRARY_FILE).read_bytes())


def _fingerprint(texts: Mapping[str, bytes], command: Sequence[str]) -> str:
    """Of the sources, the command and the place of SST: whatever changes the library."""
    digest = hashlib.sha256(repr(command).encode())
    for name, text in texts.items():
        digest.update(name.encode() + b"\0" + text)
    return digest.hexdigest()[:16]
