"""Weight formats, quantization losses, and how a budget of bits is shared among experts."""

from moe_cosim.hw_models.formats import WeightFormat, find_format, format_of_bits, formats
from moe_cosim.workloads.quantization.allocation import Allocator, allocate_layers, allocators, total_loss
from moe_cosim.workloads.quantization.losses import LossTable, read_losses, synthetic_losses

__all__ = [
    "Allocator",
    "LossTable",
    "WeightFormat",
    "allocate_layers",
    "allocators",
    "find_format",
    "format_of_bits",
    "formats",
    "read_losses",
    "synthetic_losses",
    "total_loss",
]
