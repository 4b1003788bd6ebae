"""Measuring what quantized experts of a Hugging Face folder lose (extra ``quantize``)."""

from moe_cosim.workloads.quantization.measuring.measure import measure
from moe_cosim.workloads.quantization.measuring.measured import Measured
from moe_cosim.workloads.quantization.measuring.wanted import Wanted
from moe_cosim.workloads.quantization.measuring.work_folder import WorkFolder

__all__ = ["Measured", "Wanted", "WorkFolder", "measure"]
