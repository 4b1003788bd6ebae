"""Figures of the GPUs that have tables, as their data sheets give them (dense, FP32 accumulation)."""

from __future__ import annotations

from moe_cosim.hw_models.units.gpu.figures import GpuFigures

_TERA = 1e12


def _gpu(multiprocessors: int, terabytes_per_s: float, **teraops: float) -> GpuFigures:
    return GpuFigures(multiprocessors, {name: rate * _TERA for name, rate in teraops.items()}, terabytes_per_s * _TERA)


FIGURES = {
    "h100_sxm": _gpu(132, 3.35, bf16=989.4, fp8=1978.9),
    "h200_sxm": _gpu(132, 4.8, bf16=989.4, fp8=1978.9),
    "b200_sxm": _gpu(148, 8.0, bf16=2250, fp8=4500, fp4=9000),
    "l40s": _gpu(142, 0.864, bf16=362.05, fp8=733),
    "rtx_pro_6000_server": _gpu(188, 1.597, bf16=503.8, fp8=1007.6, fp4=2015.2),
    "a100_sxm": _gpu(108, 2.039, bf16=312),
}
"""By the name of the tables' folder."""
CACHE_BYTES = {
    "h100_sxm": 50e6,
    "h200_sxm": 50e6,
    "b200_sxm": 126e6,
    "l40s": 96e6,
    "rtx_pro_6000_server": 128e6,
    "a100_sxm": 40e6,
}
"""L2: weights that fit stay there while a benchmark repeats, which a model's do not from layer to layer."""
ARCHITECTURES = {
    "hopper": ("h100_sxm", "h200_sxm"),
    "ampere": ("a100_sxm",),
    "ada": ("l40s",),
    "blackwell": ("b200_sxm",),
    "blackwell-rtx": ("rtx_pro_6000_server",),
}
"""Whose tables the constants of each are fitted to."""
