"""What a policy may declare, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.workloads.batching.batching import Batching
from moe_cosim.workloads.models.attention import Attention
from tests.workloads.batching.streaming import LAYERS, ran
from tests.workloads.hand_made import model

SHARES = st.floats(0, 1)


@given(st.integers(1, 3000), st.integers(1, 400), SHARES, SHARES)
def test_micro_batches_and_their_parts_are_the_batch(batch: int, size: int, resident: float, cpu: float) -> None:
    batching = Batching(kv_resident=resident, cpu_attention=(1 - resident) * cpu, micro_batch=size)
    sizes = batching.sizes(batch)
    assert sum(sizes) == batch
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    for each in sizes:
        parts = batching.split(each)
        assert parts.all == each
        assert min(parts) >= 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"dense_resident": 1.5},
        {"kv_resident": -0.1},
        {"kv_resident": 0.6, "cpu_attention": 0.6},
        {"micro_batch": 0},
        {"cpu_prefill": True},
    ],
)
def test_shares_of_more_than_all_are_no_batching(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"shares?|micro-batch"):
        Batching(**wrong)


@pytest.mark.parametrize(
    ("options", "machine", "said"),
    [
        ({"kv_resident": 0.0, "cpu_attention": 1.0, "cpu_prefill": True}, "rtx4090-host", "a machine with a CPU unit"),
        ({"kv_resident": 0.0, "cpu_attention": 0.5}, "rtx4090-host", "a machine with a CPU unit"),
        ({"dense_resident": 0.5}, "h100-cxl-ndp", "a machine with host memory"),
    ],
)
def test_a_machine_without_what_it_needs_is_refused(options: dict[str, Any], machine: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        ran(options, 2, 4, 1, machine=machine)
    assert "\n" not in str(refused.value)


def test_attention_that_differs_by_layer_is_refused() -> None:
    other = Attention("gqa", heads=8, kv_heads=4, head_dim=128)
    with pytest.raises(InputError, match="a decoder whose layers attend alike"):
        ran({"kv_resident": 0.5}, 2, 4, 1, of_model=model(LAYERS, 4, 2, other_attention=((other, (1,)),)))


def test_buffers_of_keys_and_values_must_fit_beside_what_stays() -> None:
    """Two buffers of 8 sequences of 2048 tokens take 34 MB, of one sequence 4 MB."""
    scarce = {"devices.gpu.memories.gddr.capacity": "45 MB"}
    small = model(LAYERS, 4, 2, expert=ExpertShape(1024, 64))
    options = {"kv_resident": 0.0}
    with pytest.raises(InputError, match=r"KV cache in turn in gpu\.gddr"):
        ran(options, 8, 2048, 1, machine_set=scarce, of_model=small)
    ran({**options, "micro_batch": 1}, 8, 2048, 1, machine_set=scarce, of_model=small)


def test_a_host_too_small_for_the_cache_is_refused() -> None:
    with pytest.raises(InputError, match=r"KV cache in host\.dram"):
        ran({"kv_resident": 0.0}, 8, 2048, 1, machine_set={"devices.host.memories.dram.capacity": "16 MB"})
