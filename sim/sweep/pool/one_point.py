"""One point from its experiment to its record."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime
from typing import Any

from moe_cosim.errors import MoeCosimError
from moe_cosim.sim.run import run
from moe_cosim.sim.sweep.pool.messages import Task
from moe_cosim.sim.sweep.pool.unchanged import Unchanged
from moe_cosim.sim.sweep.store.record import PointRecord
from moe_cosim.version import VERSION


def run_point(task: Task, unchanged: Unchanged | None = None) -> PointRecord:
    """Run it, if all is `unchanged` since it was planned. Whatever goes wrong with this point becomes its record;
    `KeyboardInterrupt` passes."""
    started = time.perf_counter()
    result, error = None, None
    try:
        (unchanged or Unchanged()).check(task)
        found = run(task.experiment, keep=()).as_dict()
        result = {key: value for key, value in found.items() if key != "name"}
    except MoeCosimError as refused:
        error = str(refused)
    except MemoryError:
        error = "needs more memory than a worker may take (--memory)"
    except Exception as defect:  # a defect of ours or of a plug-in: the other points go on
        error = f"{type(defect).__name__}: {' '.join(str(defect).split())}"
    return record_of(task, time.perf_counter() - started, result, error)


def record_of(task: Task, wall_s: float, result: dict[str, Any] | None, error: str | None) -> PointRecord:
    """What came of a task, here and now; failed where there is an `error`."""
    return PointRecord(
        point_id=task.point_id,
        status="finished" if error is None else "failed",
        experiment=task.experiment.model_dump(),
        files=task.files,
        sources=task.sources,
        version=VERSION,
        host=socket.gethostname(),
        wall_s=wall_s,
        finished_utc=datetime.now(UTC).isoformat(timespec="microseconds"),
        result=result,
        error=error,
    )
