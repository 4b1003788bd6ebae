"""moe-cosim: what would this MoE model cost on a GPU with near-data processing?

The public surface; everything is imported on first use so that ``import moe_cosim`` stays cheap.

    import moe_cosim
    result = moe_cosim.run("cxl-ndp-mixtral-8x7b-3bit")
    print(result.decode_tokens_per_s)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moe_cosim.errors import InputError, MoeCosimError, RunError
from moe_cosim.version import VERSION

if TYPE_CHECKING:
    from moe_cosim.experiment import Experiment, load_experiment
    from moe_cosim.sim.figures.plot import plot
    from moe_cosim.sim.figures.request import FigureRequest
    from moe_cosim.sim.replay import replay
    from moe_cosim.sim.results.result import Result
    from moe_cosim.sim.run import run
    from moe_cosim.sim.sensitivity.sensitivity import Sensitivity
    from moe_cosim.sim.sensitivity.vary import sensitivity
    from moe_cosim.sim.sweep.pool.whole import run_sweep
    from moe_cosim.sim.sweep.query.query import results

__version__ = VERSION

__all__ = [
    "Experiment",
    "FigureRequest",
    "InputError",
    "MoeCosimError",
    "Result",
    "RunError",
    "Sensitivity",
    "__version__",
    "load_experiment",
    "plot",
    "replay",
    "results",
    "run",
    "run_sweep",
    "sensitivity",
]

_LAZY = {
    "Experiment": "moe_cosim.experiment",
    "load_experiment": "moe_cosim.experiment",
    "Result": "moe_cosim.sim.results.result",
    "replay": "moe_cosim.sim.replay",
    "run": "moe_cosim.sim.run",
    "Sensitivity": "moe_cosim.sim.sensitivity.sensitivity",
    "sensitivity": "moe_cosim.sim.sensitivity.vary",
    "run_sweep": "moe_cosim.sim.sweep.pool.whole",
    "results": "moe_cosim.sim.sweep.query.query",
    "plot": "moe_cosim.sim.figures.plot",
    "FigureRequest": "moe_cosim.sim.figures.request",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'moe_cosim' has no attribute {name!r}")
