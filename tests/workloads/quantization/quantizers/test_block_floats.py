"""mxfp4, nvfp4 and GGUF's simple blocks: as many bytes as their formats, every weight at the nearest value."""

from typing import Any

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.quantization.checkpoints.mxfp4_blocks import E2M1
from moe_cosim.workloads.quantization.quantizers import quantizer

torch = pytest.importorskip("torch")
pytest.importorskip("gguf")
pytestmark = pytest.mark.quantize


def weights() -> Any:
    return torch.randn(8, 256, generator=torch.Generator().manual_seed(8)) * 0.02


@pytest.mark.parametrize(
    ("method", "bits", "name"),
    [("mxfp4", 4, "mxfp4"), ("nvfp4", 4, "nvfp4"), ("gguf", 4, "q4_0"), ("gguf", 5, "q5_0"), ("gguf", 8, "q8_0")],
)
def test_bytes_are_the_formats(method: str, bits: int, name: str) -> None:
    if method == "nvfp4":
        pytest.importorskip("torchao")
    made = quantizer(method, bits).quantize(weights())
    assert made.format.name == name
    assert len(made.packed()) == made.format.matrix_bytes(8, 256) == made.bytes_per_weight * 8 * 256
    off = (made.dequantize() - weights()).square().mean() / weights().square().mean()
    assert float(off) < {4: 0.02, 5: 0.005, 8: 1e-4}[bits]
    with pytest.raises(InputError, match="rows of whole blocks of"):
        quantizer(method, bits).quantize(torch.ones(2, 40))


def test_mxfp4_values_are_the_nearest_under_the_blocks_power_of_two() -> None:
    """The power is that of the largest magnitude less two, E2M1's largest exponent (OCP MX 1.0, 6.3)."""
    blocks = weights().reshape(-1, 32)
    power = torch.exp2(torch.floor(torch.log2(blocks.abs().amax(dim=1, keepdim=True))) - 2)
    table = torch.tensor(E2M1)
    nearest = table[(blocks[:, :, None] / power[:, :, None] - table).abs().argmin(dim=2)] * power
    assert torch.equal(quantizer("mxfp4", 4).quantize(weights()).dequantize().reshape(-1, 32), nearest)


def test_nvfp4_is_unpacked_as_torchao_does() -> None:
    library = pytest.importorskip("torchao.prototype.mx_formats.nvfp4_tensor")
    scale = library.per_tensor_amax_to_scale(weights().abs().max())
    theirs = library.NVFP4Tensor.to_nvfp4(weights(), 16, scale).dequantize(torch.float32)
    torch.testing.assert_close(quantizer("nvfp4", 4).quantize(weights()).dequantize(), theirs, rtol=1e-6, atol=0)
