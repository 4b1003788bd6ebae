"""moe-cosim: what would this MoE model cost on a GPU with near-data processing?

The public surface; everything is imported on first use so that ``import moe_cosim`` stays cheap.

    import moe_cosim
    result = moe_cosim.run("cxl-ndp-mixtral-8x7b-3bit")
    print(result.decode_tokens_per_s)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moe_cosim.errors import InputError, MoeCosimError, RunError

if TYPE_CHECKING:
    from sim.experiment import Experiment, load_experiment
    from sim.replay import replay
    from sim.result import Result
    from sim.run import run

__version__ = "0.1.0"

__all__ = [
    "Experiment",
    "InputError",
    "MoeCosimError",
    "Result",
    "RunError",
    "__version__",
    "load_experiment",
    "replay",
    "run",
]

_LAZY = {
    "Experiment": "sim.experiment",
    "load_experiment": "sim.experiment",
    "Result": "sim.result",
    "replay": "sim.replay",
    "run": "sim.run",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'moe_cosim' has no attribute {name!r}")
