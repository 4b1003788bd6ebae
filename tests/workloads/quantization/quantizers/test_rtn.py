"""Round to nearest, held to closed forms and to torchao."""

import math
from itertools import product

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.quantization.quantizers import QuantizedWeight, quantizer
from moe_cosim.workloads.quantization.quantizers.grouped import GroupedWeight, unpacked

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.quantize

WIDTHS = (1, 2, 3, 4, 8)


def gaussian(rows: int, columns: int, seed: int = 0) -> "torch.Tensor":
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def rtn(weight: "torch.Tensor", bits: int, group_size: int = 128, zero_point: bool = True) -> GroupedWeight:
    made = quantizer("rtn", bits, group_size, zero_point).quantize(weight)
    assert isinstance(made, GroupedWeight)
    return made


@pytest.mark.parametrize(("bits", "group", "zero"), list(product(WIDTHS, (32, 64, 128), (True, False))))
@pytest.mark.parametrize("columns", [256, 200])
def test_what_is_packed_is_what_is_multiplied(bits: int, group: int, zero: bool, columns: int) -> None:
    made = rtn(gaussian(6, columns), bits, group, zero)
    data = made.packed()
    assert len(data) == made.format.matrix_bytes(6, columns)
    assert made.bytes_per_weight == len(data) / (6 * columns)
    assert torch.equal(unpacked(data, made.format, 6, columns).dequantize(), made.dequantize())


def test_bytes_of_the_usual_formats() -> None:
    from moe_cosim.hw_models.formats import find_format

    for bits in (2, 3, 4, 8):
        assert rtn(gaussian(2, 256), bits).format == find_format(f"int{bits}")
    assert rtn(gaussian(2, 256), 1).bytes_per_weight * 8 == 1 + 16 / 128


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_every_error_is_at_most_half_a_step(bits: int) -> None:
    weight = gaussian(16, 256, 1)
    made = rtn(weight, bits)
    steps = made.scales.float().repeat_interleave(128, dim=1)
    # a zero point on a whole code moves the grid by up to half a step: the outermost weights are then cut
    inside = (made.codes > 0) & (made.codes < 2**bits - 1)
    assert ((made.dequantize() - weight).abs() <= steps * 0.5001)[inside].all()
    assert ((made.dequantize() - weight).abs() <= steps * 1.001).all()


def test_error_of_a_gaussian_in_closed_form() -> None:
    """8 bits: step^2 / 12 (Bennett 1948), and step^2 / 4 of the largest of 128, which lies half a step beyond the grid.
    1 bit: 1 - 2 / pi of the variance, less what a group's own mean
    magnitude saves, (1 - 2 / pi) / 128."""
    weight = gaussian(512, 1024, 2)
    made = rtn(weight, 8, zero_point=False)
    steps = made.scales.float()
    error = (made.dequantize() - weight).square().mean()
    assert float(error) == pytest.approx(float(steps.square().mean()) * (127 / 12 + 1 / 4) / 128, rel=0.005)
    sign = (rtn(weight, 1).dequantize() - weight).square().mean()
    assert float(sign) == pytest.approx((1 - 2 / math.pi) * (1 - 1 / 128), rel=0.01)


def test_a_mean_magnitude_is_the_best_scale_of_signs() -> None:
    weight = gaussian(4, 128, 3)
    made = rtn(weight, 1)
    least = (made.dequantize() - weight).square().sum(dim=1)
    for factor in (0.98, 1.02):
        assert ((made.dequantize() * factor - weight).square().sum(dim=1) > least).all()


def test_a_shorter_last_group_is_as_if_alone() -> None:
    weight = gaussian(5, 200, 4)
    for bits, zero in product(WIDTHS, (True, False)):
        whole = rtn(weight, bits, 128, zero).dequantize()
        alone = rtn(weight[:, 128:], bits, 128, zero).dequantize()
        torch.testing.assert_close(whole[:, 128:], alone, rtol=1e-3, atol=0)


@pytest.mark.parametrize("bits", WIDTHS)
def test_zeros_stay_zero(bits: int) -> None:
    weight = torch.zeros(2, 128)
    assert rtn(weight, bits).dequantize().abs().max() < 1e-7


@pytest.mark.parametrize(("bits", "zero"), list(product((2, 3, 4, 8), (True, False))))
def test_torchao_gives_the_same_bits(bits: int, zero: bool) -> None:
    primitives = pytest.importorskip("torchao.quantization.quant_primitives")
    weight = gaussian(32, 512, 5)
    top, centre = 2**bits - 1, 0 if zero else 2 ** (bits - 1)
    kind = primitives.MappingType.ASYMMETRIC if zero else primitives.MappingType.SYMMETRIC
    scales, zeros = primitives.choose_qparams_affine(
        weight,
        kind,
        (1, 128),
        torch.uint8 if zero else torch.int8,
        -centre,
        top - centre,
        0.0,
        torch.float16,
        torch.int32,
    )
    codes = primitives.quantize_affine(
        weight, (1, 128), scales.float(), zeros, torch.uint8 if zero else torch.int8, -centre, top - centre
    )
    made = rtn(weight, bits, 128, zero)
    assert torch.equal(made.scales.reshape(-1), scales.reshape(-1))
    assert torch.equal(made.codes.int(), codes.int() + centre)
    if made.zeros is not None:
        assert torch.equal(made.zeros.reshape(-1).int(), zeros.reshape(-1))


def test_bad_weights_are_refused() -> None:
    method = quantizer("rtn", 4)
    hole = torch.ones(2, 128)
    hole[1, 3] = float("nan")
    for weight, message in (
        (hole, "layer 3: weight: found a value that is not finite; allowed: finite weights"),
        (torch.ones(2, 128, dtype=torch.int8), r"found int8 \[2, 128\]; allowed: a matrix"),
        (torch.ones(2, 3, 4), r"found float32 \[2, 3, 4\]; allowed: a matrix"),
        (torch.full((2, 128), 1e9), "found 1e\\+09; allowed: weights that a 16-bit scale can reach"),
    ):
        with pytest.raises(InputError, match=message):
            method.quantize(weight, where="layer 3")


def test_same_bytes_again() -> None:
    def made() -> QuantizedWeight:
        return quantizer("rtn", 3).quantize(gaussian(8, 256))

    assert made().packed() == made().packed()
