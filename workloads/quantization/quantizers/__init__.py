"""Methods that store a weight matrix at fewer bits (extra ``quantize``)."""

from moe_cosim.workloads.quantization.quantizers.methods import methods, quantizer
from moe_cosim.workloads.quantization.quantizers.quantizer import QuantizedWeight, Quantizer

__all__ = ["QuantizedWeight", "Quantizer", "methods", "quantizer"]
