"""AWQ loses no more than rounding where it weighs, and stores as much."""

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.quantization.quantizers import quantizer

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.quantize


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_scales_lessen_the_weighted_error(bits: int) -> None:
    draw = torch.Generator().manual_seed(9)
    weight = torch.randn(32, 256, generator=draw)
    inputs = torch.randn(512, 256, generator=draw) * torch.exp(2 * torch.randn(256, generator=draw))
    hessian = inputs.T @ inputs
    ours, rounded = (quantizer(name, bits).quantize(weight, hessian) for name in ("awq", "rtn"))
    errors = [float(((made.dequantize() - weight) @ inputs.T).square().sum()) for made in (ours, rounded)]
    assert errors[0] < 0.7 * errors[1]
    assert ours.format == rounded.format
    assert len(ours.packed()) == len(rounded.packed())
    assert ours.bytes_per_weight == rounded.bytes_per_weight


def test_inputs_alike_leave_the_weights_as_they_are() -> None:
    weight = torch.randn(4, 128, generator=torch.Generator().manual_seed(1))
    ours = quantizer("awq", 3).quantize(weight, torch.eye(128))
    assert torch.equal(ours.dequantize(), quantizer("rtn", 3).quantize(weight).dequantize())
    with pytest.raises(InputError, match="hessian: found none"):
        quantizer("awq", 3).quantize(weight)
