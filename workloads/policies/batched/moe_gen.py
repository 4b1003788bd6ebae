"""MoE-Gen: attention in micro-batches, experts once for all tokens that they have gathered.

Source: Xu et al., "MoE-Gen" (arXiv 2503.09716): module-based batching (4.1), keys and values entirely in host memory,
weights loaded layer by layer, a share of the batch attended to on the CPU (4.2), and a search over b_a, that share and
what stays in the GPU's memory by the critical path of a layer (4.3, 4.4; tables 2 and 3). The accumulated batch B is
the experiment's: the paper takes what host memory holds.

Inferred: costs are the roofline's (`hrm`) instead of profiled ones, and a layer's critical path is the longer of what
the link carries and of attention (CPU and GPU side by side) followed by the experts. Experts run on all their tokens
at once: b_e only keeps the paper's from running out of memory. Dense weights stay on the GPU, as they are small beside
experts; the buffer for experts is two layers'.
"""

from __future__ import annotations

from collections.abc import Sequence

from moe_cosim.options import option
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.batched.hrm import LayerTime
from moe_cosim.workloads.policies.batched.zigzag import ZigzagOptions, ZigzagPolicy


class MoeGenOptions(ZigzagOptions):
    cpu_share: float | None = option(
        None, "share of the batch to which the CPU attends in decode; null: searched in tenths", ge=0, le=1
    )


@policies.register("moe-gen")
class MoeGen(ZigzagPolicy):
    """Its micro-batch is b_a, its share of the CPU omega."""

    summary = "module-based batching: attention in micro-batches, experts on the whole batch (arXiv 2503.09716)"
    experts_at_once = True
    options_class = MoeGenOptions
    options: MoeGenOptions

    @classmethod
    def cpu_shares(cls, options: MoeGenOptions) -> Sequence[float]:
        return [tenth / 10 for tenth in range(11)] if options.cpu_share is None else (options.cpu_share,)

    @classmethod
    def seconds(cls, time: LayerTime) -> float:
        return time.in_turn
