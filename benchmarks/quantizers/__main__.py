"""What quantizing costs: processor seconds and memory of one matrix by GPTQ, and of one whole expert by other methods.

    python -m benchmarks.quantizers [--rows 4096] [--columns 14336]

Sizes are Mixtral-8x7B's. Weights and inputs are random; the Hessian is that of 8,192 tokens and is accumulated before
the clock starts. Processor seconds, since machines are shared; memory is the growth of the process's peak since then.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Any

import torch

from moe_cosim.workloads.quantization.quantizers import quantizer

TOKENS = 8192


def measured(what: str, run: Any) -> None:
    before, started, wall = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time(), time.monotonic()
    run()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    cpu_s, wall_s = time.process_time() - started, time.monotonic() - wall
    print(f"{what}: {cpu_s:.1f} processor s, {wall_s:.1f} s, peak memory grew by {grown:.2f} GiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--columns", type=int, default=14336)
    arguments = parser.parse_args()
    rows, columns = arguments.rows, arguments.columns
    torch.manual_seed(0)
    down = (torch.randn(rows, columns) * 0.02).bfloat16()
    expert = [down.T.contiguous(), (torch.randn(columns, rows) * 0.02).bfloat16(), down]
    for method in ("rtn", "hqq"):
        made = quantizer(method, 3)

        def whole_expert(made: Any = made) -> None:
            for matrix in expert:
                made.quantize(matrix)

        measured(f"{method}, an expert of 3 x {rows} x {columns}, 3 bits", whole_expert)
    hessian = torch.zeros(columns, columns)
    for _ in range(TOKENS // 1024):
        inputs = torch.randn(1024, columns)
        hessian.addmm_(inputs.T, inputs)
    made = quantizer("gptq", 3)
    measured(f"gptq, {rows} x {columns}, 3 bits", lambda: made.quantize(down, hessian))


if __name__ == "__main__":
    with torch.inference_mode():
        main()
