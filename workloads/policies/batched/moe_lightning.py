"""MoE-Lightning: decode attention on the CPU beside the GPU's experts, weights in pages between what else travels.

Source: Cao et al., "MoE-Lightning" (ASPLOS 2025, arXiv 2411.11217): CGOPipe (4.1, algorithm 1) and the search by the
hierarchical roofline model (4.2, eq. 12 to 14) for the micro-batch and who attends; the batch is the experiment's.
The memory that a policy takes is that of the authors' artifact (github.com/caoshiyi/artifacts,
fastmoe/backend/optimizer.py): dense weights on the GPU, two buffers for a layer's experts that do not stay, the rows of
the fused kernels in the prefill, 86 % of the GPU's memory.

Inferred: experts are whole here, so the share that stays is of experts, dealt evenly over the layers (the paper splits
tensors). Experts always run on the GPU (F_g = 1, which the paper always finds). Keys and values all lie at the host
(r_c = 0): in decode a byte of weights that stays saves no less than one of them, and its buffers too. Pages: copies on
different lanes share the link evenly, which is what pages are for. A layer's pipeline drains before the next begins.
"""

from __future__ import annotations

from collections.abc import Sequence

from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.batched.zigzag import ZigzagOptions, ZigzagPolicy


@policies.register("moe-lightning")
class MoeLightning(ZigzagPolicy):
    """On a machine without a CPU unit its search has only the GPU to attend."""

    summary = "zig-zag micro-batches, attention on the CPU, weights in pages, policy by a roofline (arXiv 2411.11217)"
    options_class = ZigzagOptions
    options: ZigzagOptions

    @classmethod
    def cpu_shares(cls, options: ZigzagOptions) -> Sequence[float]:
        return 1.0, 0.0
