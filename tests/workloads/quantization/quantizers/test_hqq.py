"""HQQ by its library: better than rounding in its own measure, and stored to the byte."""

from typing import Any

import pytest

from moe_cosim.workloads.quantization.quantizers import quantizer
from moe_cosim.workloads.quantization.quantizers.grouped import unpacked
from moe_cosim.workloads.quantization.quantizers.hqq import NORM

torch = pytest.importorskip("torch")
pytest.importorskip("hqq")
pytestmark = pytest.mark.quantize


def heavy_tailed(rows: int, columns: int) -> Any:
    draw = torch.Generator().manual_seed(7)
    plain = torch.randn(rows, columns, generator=draw) * 0.02
    return plain * torch.exp(0.5 * torch.randn(rows, columns, generator=draw))


def measure(weight: Any, made: Any) -> float:
    return float((made.dequantize() - weight).abs().pow(NORM).sum())


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("group", [32, 64, 128])
def test_never_worse_than_rounding_in_its_measure(bits: int, group: int) -> None:
    weight = heavy_tailed(64, 512)
    ours, rounded = (quantizer(name, bits, group).quantize(weight) for name in ("hqq", "rtn"))
    assert measure(weight, ours) <= measure(weight, rounded)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_grids_are_the_librarys(bits: int) -> None:
    """Of all groups but those that it makes worse than rounding does."""
    from hqq.core.quantize import Quantizer as Library

    weight = heavy_tailed(32, 256)
    _, meta = Library.quantize(
        weight, nbits=bits, group_size=64, axis=1, bitpack=False, device="cpu", compute_dtype=torch.float32
    )
    ours = quantizer("hqq", bits, 64).quantize(weight)
    same = (ours.scales.reshape(-1, 1) == meta["scale"].half()) & (ours.zeros.reshape(-1, 1) == meta["zero"].half())
    assert same.float().mean() > 0.5  # the heavier the tails, the more groups the solver gives up for others
    rounded = quantizer("rtn", bits, 64).quantize(weight)
    assert (same | (ours.scales == rounded.scales).reshape(-1, 1)).all()


@pytest.mark.parametrize("columns", [256, 200])
def test_what_is_packed_comes_back(columns: int) -> None:
    made = quantizer("hqq", 3, 64).quantize(heavy_tailed(5, columns))
    data = made.packed()
    assert len(data) == made.format.matrix_bytes(5, columns)
    assert torch.equal(unpacked(data, made.format, 5, columns).dequantize(), made.dequantize())
