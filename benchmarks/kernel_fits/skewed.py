"""Errors of the tile model on fused kernels with drawn loads (power laws), which no constant was fitted to.

    python benchmarks/kernel_fits/skewed.py DEVICE FRAMEWORK VERSION TABLES

As `left_out.py`; in 16 bits.
"""

from __future__ import annotations

import sys

import numpy as np
import predict
import tables
from devices import CACHE_BYTES
from fit import said
from left_out import described

from moe_cosim.hw_models.formats import BF16
from moe_cosim.hw_models.shapes import ExpertShape

MOST = 1000
"""Rows of a distribution that are predicted."""


def main(device: str, framework: str, version: str, name: str) -> None:
    gpu = described(device)
    for alpha in (1.01, 1.2):
        rows = tables.experts(name, framework, version, f"power_law_{alpha}", "bfloat16")
        rows = predict.cold_experts(rows, CACHE_BYTES[name], 2.0)
        errors, step = [], max(len(rows) // MOST, 1)
        columns = ("tokens", "top_k", "experts", "hidden", "intermediate", "matrices")
        for row in zip(*(rows[each][::step].tolist() for each in columns), rows.us[::step], strict=True):
            tokens, top_k, experts, hidden, intermediate, matrices, us = row
            loads = tables.power_law(tokens, top_k, experts, alpha).astype(np.int64)
            zeros = np.zeros(len(loads), np.int64)
            shares = gpu.experts_ps(loads, zeros, ExpertShape(hidden, intermediate, matrices), (BF16,), zeros)
            errors.append((gpu.expert_launch_ps + int(shares.sum())) * 1e-6 / us - 1)
        print(f"power law {alpha}, {len(errors)}: {said(np.array(errors))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
