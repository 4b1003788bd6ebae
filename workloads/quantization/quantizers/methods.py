"""The methods by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from moe_cosim.errors import InputError
from moe_cosim.workloads.quantization.quantizers.awq import Awq
from moe_cosim.workloads.quantization.quantizers.block_floats import Gguf, Mxfp4, Nvfp4
from moe_cosim.workloads.quantization.quantizers.gptq import Gptq
from moe_cosim.workloads.quantization.quantizers.hqq import Hqq
from moe_cosim.workloads.quantization.quantizers.k_quants import KQuants
from moe_cosim.workloads.quantization.quantizers.quantizer import Quantizer
from moe_cosim.workloads.quantization.quantizers.rtn import Rtn

GROUP_SIZES: Final = (32, 64, 128)


_METHODS: Final[dict[str, tuple[type[Quantizer], Callable[[int, int, bool], Quantizer]]]] = {
    "rtn": (Rtn, lambda bits, group_size, zero_point: Rtn(bits, group_size, zero_point and bits > 1)),
    "hqq": (Hqq, lambda bits, group_size, _: Hqq(bits, group_size)),
    "awq": (Awq, lambda bits, group_size, zero_point: Awq(bits, group_size, zero_point)),
    "gguf": (Gguf, lambda bits, *_: Gguf({4: "q4_0", 5: "q5_0", 8: "q8_0"}[bits])),
    "gguf-k": (KQuants, lambda bits, *_: KQuants(bits)),
    "mxfp4": (Mxfp4, lambda *_: Mxfp4()),
    "nvfp4": (Nvfp4, lambda *_: Nvfp4()),
    "gptq": (Gptq, lambda bits, group_size, zero_point: Gptq(bits, group_size, zero_point and bits > 1)),
}


def methods() -> list[str]:
    """Their names."""
    return sorted(_METHODS)


def quantizer(
    method: str, bits: float, group_size: int = 128, zero_point: bool = True, where: object = "quantizer"
) -> Quantizer:
    """The method at one width.

    Raises `InputError` for a name that no method has, for bits that the method lacks, and for a group size other than
    32, 64 and 128. 1 bit has no zero point, and HQQ always one; blocks of GGUF, mxfp4 and nvfp4
    have their own sizes.
    """
    if method not in _METHODS:
        raise InputError(where, "method", method, methods())
    kind, make = _METHODS[method]
    if isinstance(bits, bool) or not isinstance(bits, int | float) or bits not in kind.widths:
        raise InputError(where, "bits", bits, f"{', '.join(f'{width:g}' for width in kind.widths)} for {method}")
    if group_size not in GROUP_SIZES:
        raise InputError(where, "group_size", group_size, f"one of {', '.join(map(str, GROUP_SIZES))}")
    return make(int(bits), group_size, zero_point)
