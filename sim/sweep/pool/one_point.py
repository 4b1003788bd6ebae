"""One point from its experiment to its record."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime

from moe_cosim.errors import MoeCosimError
from moe_cosim.experiment import Experiment
from moe_cosim.sim.run import run
from moe_cosim.sim.sweep.plan.identity import check_files, code_digest
from moe_cosim.sim.sweep.store.record import Record
from moe_cosim.version import VERSION


def run_point(point_id: str, experiment: Experiment, files: dict[str, str]) -> Record:
    """Run it. Whatever goes wrong with this point becomes its record; `KeyboardInterrupt` passes."""
    started = time.perf_counter()
    result, error = None, None
    try:
        check_files(files)
        found = run(experiment).as_dict()
        result = {key: value for key, value in found.items() if key != "name"}
    except MoeCosimError as refused:
        error = str(refused)
    except MemoryError:
        error = "needs more memory than a worker may take (--memory)"
    except Exception as defect:  # a defect of ours or of a plug-in: the other points go on
        error = f"{type(defect).__name__}: {' '.join(str(defect).split())}"
    return Record(
        point_id=point_id,
        status="finished" if error is None else "failed",
        experiment=experiment.model_dump(),
        files=files,
        version=VERSION,
        code=code_digest(),
        host=socket.gethostname(),
        wall_s=time.perf_counter() - started,
        finished_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        result=result,
        error=error,
    )
