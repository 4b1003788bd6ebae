"""Which rows of the tables stand for which kind of kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Kernel:
    dtype: str
    """As the tables call it."""
    operand: str
    bytes_per_weight: float
    """With scales."""
    kernel: str = ""
    """Part of the names of the kernels meant; the tables have others for some shapes."""
    table: tuple[str, str] | None = None
    """Another framework and version, where the framework's own tables have nothing fit to use."""


@dataclass(frozen=True)
class Framework:
    name: str
    versions: Mapping[str, str]
    """By device; '' for the others."""
    experts: Mapping[str, Mapping[str, Kernel]]
    """By architecture and kind of kernel."""
    products: Mapping[str, Mapping[str, Kernel]] = field(default_factory=dict)

    def table(self, device: str, kernel: Kernel | None = None) -> tuple[str, str]:
        """Framework and version."""
        other = kernel.table if kernel else None
        return other or (self.name, self.versions.get(device, self.versions[""]))


LATENT = {"": ("sglang", "0.5.14"), "a100_sxm": ("trtllm", "1.0.0")}
"""Tables of latent attention by device, for all frameworks: vLLM's time it together with its projections."""

_BF16 = Kernel("bfloat16", "bf16", 2.0)
_FP8 = Kernel("fp8", "fp8", 1.0)
_BLOCK = Kernel("fp8_block", "fp8", 1.0)
_INT4 = Kernel("int4_wo", "bf16", 0.515625)
_FP4 = Kernel("nvfp4", "fp4", 0.5625)
_MXFP4 = Kernel("w4a16_mxfp4", "bf16", 0.53125, "gptoss")


def _of(kernel: Kernel, name: str) -> Kernel:
    return replace(kernel, kernel=name)


_OLDER = ("sglang", "0.5.10")
_AMPERE = {"bf16": replace(_BF16, table=_OLDER), "weight-only": replace(_INT4, table=_OLDER)}
# vLLM's dense products with block scales are left out: the quickest takes 57 to 290 us there, which is Python's time.
_VLLM = Framework(
    "vllm",
    {"": "0.24.0", "a100_sxm": "0.14.0"},
    {
        # Per-tensor FP8 on Hopper is left out: 0.24.0's kernel (FlashInfer CUTLASS) takes longer there than 16 bits, at
        # a fifth of the bandwidth, as if it had not been tuned; 0.19.0's took a quarter of its time on the H200.
        "hopper": {
            "bf16": _BF16,
            "fp8-block": _of(_BLOCK, "triton"),
            "weight-only": _INT4,
            "mxfp4": _MXFP4,
        },
        # vLLM's own table has drawn (power law) loads alone; the kernel (Triton's fused_moe) is the same.
        "ampere": _AMPERE,
        "ada": {"bf16": _BF16, "fp8": _FP8, "fp8-block": _BLOCK, "weight-only": _INT4, "mxfp4": _MXFP4},
        "blackwell": {
            "bf16": _of(_BF16, "trtllm"),
            "fp8": _of(_FP8, "trtllm"),
            "fp8-block": _BLOCK,
            "weight-only": _INT4,
            "fp4": _of(_FP4, "monolithic"),
            "mxfp4": _MXFP4,
        },
        "blackwell-rtx": {"bf16": _BF16, "fp8": _FP8, "weight-only": _INT4, "fp4": _FP4, "mxfp4": _MXFP4},
    },
    {
        "hopper": {"bf16": _BF16, "fp8": _FP8},
        "ampere": {"bf16": _BF16},
        "ada": {"bf16": _BF16, "fp8": _FP8},
        "blackwell": {"bf16": _BF16, "fp8": _FP8, "fp4": _FP4},
        "blackwell-rtx": {"bf16": _BF16, "fp8": _FP8, "fp4": _FP4},
    },
)
_SGLANG = Framework(
    "sglang",
    {"": "0.5.14", "a100_sxm": "0.5.10"},
    {
        "hopper": {"bf16": _of(_BF16, "triton"), "fp8-block": _BLOCK, "weight-only": _INT4},
        "ampere": _AMPERE,
        "ada": {"bf16": _BF16, "weight-only": _INT4},
        "blackwell": {
            "bf16": _of(_BF16, "trtllm"),
            "fp8-block": _of(_BLOCK, "trtllm"),
            "weight-only": _INT4,
            "fp4": _FP4,
        },
        "blackwell-rtx": {"bf16": _of(_BF16, "triton"), "fp8-block": _BLOCK, "weight-only": _INT4, "fp4": _FP4},
    },
    {
        "hopper": {"bf16": _BF16, "fp8": _FP8, "fp8-block": _BLOCK},
        "ampere": {"bf16": _BF16},
        "ada": {"bf16": _BF16, "fp8": _FP8},
        "blackwell": {"bf16": _BF16, "fp8": _FP8, "fp8-block": _BLOCK, "fp4": _FP4},
        "blackwell-rtx": {"bf16": _BF16, "fp8": _FP8, "fp4": _FP4},
    },
)
_CUTLASS = {"bf16": _BF16, "fp8": _FP8, "fp8-block": _BLOCK}
_TRTLLM = Framework(
    "trtllm",
    {"": "1.3.0rc20", "a100_sxm": "1.0.0"},
    {
        "hopper": _CUTLASS,
        "ada": {"bf16": _BF16, "fp8": _FP8},
        "blackwell": {**_CUTLASS, "fp4": _of(_FP4, "cutlass")},
        "blackwell-rtx": {**_CUTLASS, "fp4": _FP4},
    },
    {
        "hopper": _CUTLASS,
        "ada": _CUTLASS,
        "blackwell": {**_CUTLASS, "fp4": _FP4},
        "blackwell-rtx": {**_CUTLASS, "fp4": _FP4},
    },
)
FRAMEWORKS = {each.name: each for each in (_VLLM, _SGLANG, _TRTLLM)}
