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
    from moe_cosim.sim.replay import replay
    from moe_cosim.sim.results.result import Result
    from moe_cosim.sim.run import run

__version__ = VERSION

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
    "Experiment": "moe_cosim.experiment",
    "load_experiment": "moe_cosim.experiment",
    "Result": "moe_cosim.sim.results.result",
    "replay": "moe_cosim.sim.replay",
    "run": "moe_cosim.sim.run",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'moe_cosim' has no attribute {name!r}")
