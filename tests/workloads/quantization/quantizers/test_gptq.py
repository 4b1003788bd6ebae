"""GPTQ, held to the algorithm as published, to what it is to be better than, and to exhaustive search."""

from itertools import product
from typing import Any

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.quantization.quantizers import quantizer
from moe_cosim.workloads.quantization.quantizers.gptq import DAMPING, Gptq
from moe_cosim.workloads.quantization.quantizers.rtn import Rtn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.quantize


def problem(rows: int, columns: int, seed: int) -> tuple[Any, Any]:
    """Weights, and the Hessian of inputs that hang together, some of them much larger than others."""
    draw = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=draw) * 0.02
    mix = torch.randn(columns, columns, generator=draw) / columns**0.5 + torch.eye(columns)
    sizes = torch.exp(torch.randn(columns, generator=draw))
    inputs = torch.randn(4 * columns, columns, generator=draw) @ mix * sizes
    return weight, inputs.T @ inputs


def weighted_error(weight: Any, made: Any, hessian: Any) -> float:
    off = (made.dequantize() - weight).double()
    return float(((off @ hessian.double()) * off).sum())


@pytest.mark.parametrize(("bits", "group"), list(product((1, 2, 3, 4, 8), (32, 128))))
@pytest.mark.parametrize("seed", [1, 2])
def test_never_worse_than_rounding(bits: int, group: int, seed: int) -> None:
    weight, hessian = problem(48, 256, seed)
    ours = quantizer("gptq", bits, group).quantize(weight, hessian)
    rounded = quantizer("rtn", bits, group).quantize(weight)
    assert ours.format == rounded.format
    assert weighted_error(weight, ours, hessian) < 0.8 * weighted_error(weight, rounded, hessian)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_as_published_with_the_inverse(bits: int) -> None:
    """Algorithm 1 of arXiv 2210.17323, one column at a time with the inverse's Cholesky factor, in 64 bits."""
    weight, hessian = problem(16, 96, 3)
    ours = Gptq(bits, 32, bits > 1).quantize(weight, hessian)
    method = Rtn(bits, 32, bits > 1)
    grid = method.grid(weight)
    order = torch.argsort(hessian.diagonal(), descending=True, stable=True)
    exact = hessian.double()[order[:, None], order]
    exact += torch.eye(96, dtype=torch.float64) * DAMPING * hessian.diagonal().double().mean()
    upper = torch.linalg.cholesky(torch.linalg.inv(exact), upper=True)
    left = weight.double()[:, order].clone()
    codes = torch.zeros(16, 96, dtype=torch.uint8)
    for at, column in enumerate(order.tolist()):
        padded = torch.zeros(16, 96)
        padded[:, column] = left[:, at].float()
        codes[:, column] = method.codes(padded, grid)[:, column]
        value = method.on_grid(codes, grid).dequantize()[:, column].double()
        error = (left[:, at] - value) / upper[at, at]
        left[:, at:] -= error[:, None] * upper[at, at:]
    assert (ours.codes != codes).float().mean() < 0.002  # 32 bits round a tie the other way now and then


def test_without_correlation_nothing_is_made_up_for() -> None:
    weight, _ = problem(8, 128, 4)
    ours = quantizer("gptq", 3).quantize(weight, torch.diag(torch.arange(1.0, 129.0)))
    assert ours.packed() == quantizer("rtn", 3).quantize(weight).packed()


def test_inputs_that_are_never_used_are_rounded() -> None:
    weight, hessian = problem(8, 128, 5)
    hessian[:, :20] = 0
    hessian[:20] = 0
    ours, rounded = (quantizer(name, 4).quantize(weight, hessian) for name in ("gptq", "rtn"))
    assert torch.equal(ours.dequantize()[:, :20], rounded.dequantize()[:, :20])
    assert not torch.equal(ours.dequantize(), rounded.dequantize())


def test_fewer_inputs_than_columns() -> None:
    """The Hessian is singular; damping makes up for it."""
    draw = torch.Generator().manual_seed(6)
    weight, inputs = torch.randn(8, 256, generator=draw), torch.randn(10, 256, generator=draw)
    hessian = inputs.T @ inputs
    ours, rounded = (quantizer(name, 3).quantize(weight, hessian) for name in ("gptq", "rtn"))
    assert weighted_error(weight, ours, hessian) < 0.2 * weighted_error(weight, rounded, hessian)


@pytest.mark.parametrize(
    ("hessian", "message"),
    [
        (None, r"hessian: found none; allowed: sums of x x\^T \[128, 128\]"),
        (torch.ones(64, 64), r"hessian: found \[64, 64\]"),
        (-torch.eye(128), "found a diagonal that is negative or not finite"),
        (1.0 - 2 * torch.eye(128) + 2 * torch.eye(128) - 9 * (torch.ones(128, 128) - torch.eye(128)), "not positive"),
    ],
)
def test_hessians_that_are_refused(hessian: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        quantizer("gptq", 4).quantize(torch.ones(2, 128), hessian)
