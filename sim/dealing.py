"""In which order many runs are dealt to workers, and which of them are dealt to one."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

from moe_cosim.experiment import Experiment

T = TypeVar("T")


def dealing_order(experiments: Sequence[Experiment]) -> list[tuple[int, int]]:
    """(index, group): longest runs first, so that no worker is left with a long one at the end.

    A group is on the same routing, which a worker is to draw once; in it those follow each other that may
    share a program.
    """
    routings: dict[Hashable, int] = {}
    programs: dict[Hashable, int] = {}
    places = []
    for index, experiment in enumerate(experiments):
        group = routings.setdefault(_routing(experiment), len(routings))
        program = programs.setdefault((group, _decided_by(experiment)), len(programs))
        places.append((-experiment.workload.generated_tokens, group, program, index))
    return [(index, group) for _, group, _, index in sorted(places)]


def _routing(experiment: Experiment) -> Hashable:
    """What it is drawn from, but for assumptions."""
    return experiment.seed, experiment.model, experiment.workload, repr(experiment.routing)


def _decided_by(experiment: Experiment) -> Hashable:
    """What else decides the program, but for the machine and assumptions."""
    return experiment.machine.use, repr(experiment.policy), experiment.quantization, experiment.kv_cache


class Waiting(Generic[T]):
    """Tasks in groups, each in order. A worker goes on with the group that it has begun."""

    def __init__(self, tasks: Iterable[T], group: Callable[[T], Hashable]) -> None:
        self._group = group
        self._groups: OrderedDict[Hashable, deque[T]] = OrderedDict()
        self._count = 0
        for task in tasks:
            self.put_last(task)

    def __len__(self) -> int:
        return self._count

    def take(self, begun: Hashable, elsewhere: Collection[Hashable]) -> T:
        """The next task for a worker that is at the group `begun`: one of that group, or else of the first that
        no other worker is at (those are `elsewhere`), or else of the first."""
        if begun not in self._groups:
            begun = next((each for each in self._groups if each not in elsewhere), next(iter(self._groups)))
        tasks = self._groups[begun]
        task = tasks.popleft()
        if not tasks:
            del self._groups[begun]
        self._count -= 1
        return task

    def put_first(self, tasks: Sequence[T]) -> None:
        """Back where they came from."""
        for task in reversed(tasks):
            group = self._group(task)
            self._groups.setdefault(group, deque()).appendleft(task)
            self._groups.move_to_end(group, last=False)
            self._count += 1

    def put_last(self, task: T) -> None:
        """Behind all of its group."""
        self._groups.setdefault(self._group(task), deque()).append(task)
        self._count += 1

    def clear(self) -> None:
        """Forget what waits."""
        self._groups.clear()
        self._count = 0
