"""What quantizing costs: processor seconds and memory of one matrix by GPTQ, and of one whole expert by other methods.

    python -m benchmarks.quantizers [--methods gptq,rtn,hqq] [--rows 4096] [--columns 14336]

Sizes are Mixtral-8x7B's. Weights and inputs are random. The Hessian is accumulated before the clock starts, of few
tokens: what GPTQ takes does not depend on them. Processor seconds, since machines are shared; memory is the growth of
the process's peak.
"""

from __future__ import annotations

import argparse
import resource
import time
from functools import partial
from typing import Any

import torch

from moe_cosim.workloads.quantization.quantizers import quantizer

TOKENS = 1024


def measured(what: str, run: Any) -> None:
    before, started, wall = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time(), time.monotonic()
    run()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    cpu_s, wall_s = time.process_time() - started, time.monotonic() - wall
    print(f"{what}: {cpu_s:.1f} processor s, {wall_s:.1f} s, peak memory grew by {grown:.2f} GiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default="gptq,rtn,hqq")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=14336)
    arguments = parser.parse_args()
    rows, columns = arguments.rows, arguments.columns
    torch.manual_seed(0)
    down = (torch.randn(rows, columns) * 0.02).bfloat16()
    expert = [down.T.contiguous(), (torch.randn(columns, rows) * 0.02).bfloat16(), down]
    for method in arguments.methods.split(","):
        made = quantizer(method, 3)

        def whole_expert(made: Any = made) -> None:
            for matrix in expert:
                made.quantize(matrix)

        if made.needs_hessian:
            inputs = torch.randn(TOKENS, columns)
            hessian = inputs.T @ inputs
            measured(f"{method}, {rows} x {columns}, 3 bits", partial(made.quantize, down, hessian))
        else:
            measured(f"{method}, an expert of 3 x {rows} x {columns}, 3 bits", whole_expert)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
