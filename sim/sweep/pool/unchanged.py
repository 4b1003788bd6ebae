"""Whether the code and the files of points are still what the points were planned with."""

from __future__ import annotations

from moe_cosim.errors import MoeCosimError
from moe_cosim.sim.sweep.identity.files import check_files
from moe_cosim.sim.sweep.identity.sources import check_sources
from moe_cosim.sim.sweep.pool.messages import Task

_Planned = tuple[frozenset[tuple[str, str]], frozenset[tuple[str, str]]]


class Unchanged:
    """Of points that are computed right after each other: what they share is looked at once."""

    def __init__(self) -> None:
        self._found: dict[_Planned, MoeCosimError | None] = {}

    def check(self, task: Task) -> None:
        """Raise `InputError` unless this process has the code loaded, and finds the files, of the plan."""
        planned = frozenset(task.sources.items()), frozenset(task.files.items())
        if planned not in self._found:
            self._found[planned] = _change(task)
        found = self._found[planned]
        if found is not None:
            raise found


def _change(task: Task) -> MoeCosimError | None:
    try:
        check_sources(task.sources, "code")
        check_files(task.files)
    except MoeCosimError as error:
        return error
    return None
