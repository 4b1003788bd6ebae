"""Imported by the server that workers are forked from: what costs seconds happens here, once.

Numba's import and the loading of compiled kernels take over a second. A forked worker has both.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Final

import moe_cosim.sim.sweep.pool.worker  # noqa: F401 (what a worker needs)
from moe_cosim.compiling import compiling
from moe_cosim.experiment import load_experiment
from moe_cosim.sim.run import run
from moe_cosim.sim.sweep.identity.code import take_digests

_SMALLEST: Final = {"workload.prompt_tokens": 1, "workload.output_tokens": 2}

compiling.announce = partial(print, file=sys.stderr, flush=True)  # the command waits meanwhile, and shows nothing
run(load_experiment("monde-mixtral-8x7b", _SMALLEST), keep=())
compiling.announce = None  # what one worker lacks beyond that, all do
take_digests()
