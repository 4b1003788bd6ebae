"""K-quants as matrices: gguf unpacks our bytes to our values, and they lose no more than rounding to nearest."""

import re
from typing import Any

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.quantization.quantizers import quantizer
from moe_cosim.workloads.quantization.quantizers.rtn import Rtn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.quantize

WIDTHS = (2, 3, 4, 5, 6)


def gaussian_matrix() -> Any:
    """Of more blocks than are rounded at a time."""
    return torch.randn(24, 12288, generator=torch.Generator().manual_seed(5)) * 0.02


@pytest.mark.parametrize("bits", WIDTHS)
def test_gguf_unpacks_the_same_values(bits: int) -> None:
    """Bit for bit in 32 bits, of every kind of row: narrow, wide, all zeros, of one sign."""
    gguf = pytest.importorskip("gguf")
    weight = gaussian_matrix() * torch.logspace(-6, 4, 24)[:, None]
    weight[3] = 0
    weight[4].abs_()
    weight[5] = -weight[5].abs()
    made = quantizer("gguf-k", bits).quantize(weight)
    data = torch.frombuffer(bytearray(made.packed()), dtype=torch.uint8).reshape(24, -1).numpy()
    theirs = gguf.quants.dequantize(data, gguf.GGMLQuantizationType[f"Q{bits}_K"])
    assert torch.equal(made.dequantize().view(torch.int32), torch.from_numpy(theirs).view(torch.int32))


@pytest.mark.parametrize("bits", WIDTHS)
def test_k_quants_have_their_formats_bytes(bits: int) -> None:
    made = quantizer("gguf-k", bits).quantize(gaussian_matrix())
    assert made.format.name == f"q{bits}_k"
    assert len(made.packed()) == made.format.matrix_bytes(24, 12288)
    assert made.bytes_per_weight == {2: 84, 3: 110, 4: 144, 5: 176, 6: 210}[bits] / 256


@pytest.mark.parametrize(
    ("bits", "group_size", "zero_point"), [(2, 16, True), (3, 16, False), (4, 32, True), (5, 32, True), (6, 16, False)]
)
def test_k_quants_lose_less_than_rounding_in_groups_of_their_size(bits: int, group_size: int, zero_point: bool) -> None:
    """Gaussian weights, 16-bit scales there; q3_k and q6_k have no mins, as symmetric rounding has no zero points."""
    weight = gaussian_matrix()
    ours, theirs = (
        (method.quantize(weight).dequantize() - weight).square().mean()
        for method in (quantizer("gguf-k", bits), Rtn(bits, group_size, zero_point))
    )
    assert ours < 0.85 * theirs


def test_what_k_quants_refuse() -> None:
    method = quantizer("gguf-k", 4)
    message = "mine: weight: found [2, 384]; allowed: rows of whole blocks of 256"
    with pytest.raises(InputError, match=re.escape(message)):
        method.quantize(torch.ones(2, 384), where="mine")
    with pytest.raises(InputError, match="weights that a 16-bit scale can reach"):
        method.quantize(torch.full((1, 256), 1e9))
    with pytest.raises(InputError, match="finite weights"):
        method.quantize(torch.full((1, 256), float("nan")))


def test_k_quants_take_16_bit_weights() -> None:
    weight = gaussian_matrix().bfloat16()
    ours, wide = (quantizer("gguf-k", 3).quantize(matrix) for matrix in (weight, weight.float()))
    assert ours.packed() == wide.packed()
