"""Whether the package that a job finds is the one that submitted it.

`script` copies this file into a submission. There the Python that the site file's environment has runs it, as
``same_package.py VERSION DIGEST ARGUMENTS``: it compares, and goes on as ``moe-cosim ARGUMENTS``. So it imports
nothing of ours, and is valid in any Python 3: one that is too old is to say so in a line.
"""

import hashlib
import os
import re
import runpy
import sys
import time
from importlib.util import find_spec

PACKAGE = "moe_cosim"
OLDEST = (3, 11)
"""As ``requires-python`` says."""


def package_digest(folder: str) -> str:
    """Of names and contents of all Python files of the package in `folder`, wherever that lies."""
    whole = hashlib.sha256()
    files = {}
    for place, _, names in os.walk(folder, followlinks=True):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(place, name)
                files[os.path.relpath(path, folder).replace(os.sep, "/")] = path
    for name, path in sorted(files.items()):
        with open(path, "rb") as file:
            whole.update(f"{name}\0{hashlib.sha256(file.read()).hexdigest()}\0".encode())
    return whole.hexdigest()[:16]


def package_version(folder: str) -> str:
    """Read, not imported."""
    try:
        with open(os.path.join(folder, "version.py"), encoding="utf-8") as file:
            found = re.search(r'^VERSION = "([^"\n]+)"', file.read(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else "of no known version"


def difference(version: str, digest: str) -> str:
    """What is wrong with the package that this Python finds, in a line; empty where it is the submitter's."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return f"no {PACKAGE}"
    if sys.version_info < OLDEST:
        return "Python {}.{}".format(*sys.version_info[:2])
    folder = next(iter(spec.submodule_search_locations))
    found = (package_version(folder), package_digest(folder))
    return "" if found == (version, digest) else "version {}, code {} in {!r}".format(*found, folder)


def main(version: str, digest: str, arguments: "list[str]") -> None:
    """Go on as ``moe-cosim ARGUMENTS``, or end with exit status 1 and one line."""
    sys.path.pop(0)  # the folder of the submission, which has no modules to import
    wrong = difference(version, digest)
    if wrong:
        allowed = "the submitter's moe-cosim {} (code {}) on Python {}.{} or later".format(version, digest, *OLDEST)
        _end(f"found {wrong}; allowed: {allowed}; 'python:' in the site file names another")
    _say(f"{sys.executable}: the submitter's moe-cosim {version} (code {digest})")
    sys.argv = ["moe-cosim", *arguments]
    try:
        runpy.run_module(PACKAGE, run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as error:
        _end(f"found no module {error.name!r}; allowed: a Python with all that moe-cosim needs")


def _end(text: str) -> None:
    _say(f"{sys.executable}: {text}")
    sys.exit(1)


def _say(text: str) -> None:
    sys.stdout.write("{} {}\n".format(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), text))
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
