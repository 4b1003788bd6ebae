"""How much memory a worker may take, and how it is held to it."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Final

SHARE: Final = 0.8
"""Of the memory that is free when a sweep starts; the rest is for the system's caches."""

_GROUPS: Final = Path("/sys/fs/cgroup")
_MEMBERSHIP: Final = Path("/proc/self/cgroup")


def bytes_per_worker(workers: int) -> int:
    """An equal part of `SHARE` of what is free here."""
    return int(_free_bytes() * SHARE) // workers


def hold_to(budget_bytes: int) -> None:
    """Let this process take `budget_bytes` of address space more than it has now.

    Address space, not resident memory: a request beyond it fails at once, as a `MemoryError` of the
    point that asked, where the kernel would kill some process later. The address space that the
    interpreter and its libraries have reserved already is not counted.
    """
    limit = _reserved_bytes() + budget_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def resident_bytes() -> int:
    """Of this process, now; its peak where the system does not say."""
    pages = _statm(1)
    if pages is not None:
        return pages * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _reserved_bytes() -> int:
    return (_statm(0) or 0) * resource.getpagesize()


def _statm(column: int) -> int | None:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[column])
    except OSError:
        return None


def _free_bytes() -> int:
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux: all memory instead of the free part
    return min([free, *group_limits()])


def group_limits(groups: Path = _GROUPS, membership: Path = _MEMBERSHIP) -> list[int]:
    """The memory limits of the control groups that this process is in: a batch job's, a container's."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []  # not Linux
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, name = (groups / "memory", "memory.limit_in_bytes") if controllers else (groups, "memory.max")
        inner = Path(path.lstrip("/"))
        for folder in (inner, *inner.parents):
            try:
                limits.append(int((root / folder / name).read_text()))
            except (OSError, ValueError):
                continue  # no limit at this level ("max"), or none that is shown in here
    return limits
