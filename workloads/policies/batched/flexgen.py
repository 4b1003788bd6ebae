"""FlexGen: a block of micro-batches goes layer by layer through a GPU that streams weights, keys and values.

Source: Sheng et al., "FlexGen" (ICML 2023, arXiv 2303.06865): the zig-zag block schedule (3, algorithm 1) loads a
layer's weights once for all micro-batches of the block, and the next one's keys and values while one computes. As
MoE-Lightning runs it on Mixtral (arXiv 2411.11217, 5.1, and the scripts of its artifact, caoshiyi/artifacts): a share
of the experts on the GPU, keys, values and activations at the host, prompts padded to the longest. With
`cpu_attention` (FlexGen(c)) the GPU waits for the CPU in every micro-batch (schedule S3 there).

Inferred: its linear program knows no experts; where no micro-batch is given, the cost model is MoE-Lightning's with
attention on the GPU, T = max(link, GPU) as FlexGen's own. Dense weights stay on the GPU, and the share that stays is of
whole experts. Activations at the host have room there; their way is left out. `layers_apart` is the default of its
code (FMInference/FlexLLMGen, flex_opt.py: ``--sep-layer``), and as Klotski (arXiv 2502.06888, 3.2) draws it; what the
port to Mixtral that MoE-Lightning measured does is not known.
"""

from __future__ import annotations

from collections.abc import Sequence

from moe_cosim.options import option
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.batched.zigzag import ZigzagOptions, ZigzagPolicy


class FlexGenOptions(ZigzagOptions):
    cpu_attention: bool = option(False, "the CPU attends in decode, and the GPU waits for it (FlexGen(c))")
    layers_apart: bool = option(
        False,
        "attention and experts are layers of their own: a layer's experts are loaded while its micro-batches attend, "
        "and run when all have",
    )


@policies.register("flexgen")
class FlexGen(ZigzagPolicy):
    """The percentages of a published policy are `gpu_weights` and `micro_batch`."""

    summary = "zig-zag blocks of micro-batches: weights, keys and values stream through the GPU (arXiv 2303.06865)"
    cpu_ahead = False
    options_class = FlexGenOptions
    options: FlexGenOptions

    @classmethod
    def attention_apart(cls, options: FlexGenOptions) -> bool:
        return options.layers_apart

    @classmethod
    def cpu_shares(cls, options: FlexGenOptions) -> Sequence[float]:
        return (float(options.cpu_attention),)
