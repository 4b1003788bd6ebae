"""Each published cost model on one layer, against its formula written out by hand."""

from __future__ import annotations

import pytest

from tests.sim.engines.makespan.one_layer import MB, US, added_up, path_us, program

BEFORE, AFTER = 11, 2
FETCH = 40
"""1 MB at a module's 25 GB/s, which are less than the link's 40."""
CPU = 20
"""Two halves side by side, each at 25 GB/s: longer than the 8 us that it computes."""
N0 = 10
"""1 MB at 100 GB/s inside: longer than the 3 us that it computes."""
N1 = 38


def total_us(model: str, **changes: object) -> float:
    return added_up(model, program(**changes)).total_ps / US  # type: ignore[arg-type]


def test_plain_sums_are_the_slowest_unit_with_copy_engines() -> None:
    """The DMA engine has the fetch and 1 us of rows each way."""
    assert total_us("units") == BEFORE + max(5, FETCH + 2, CPU, N0, N1) + AFTER


def test_trimoe_counts_weights_that_a_module_serves() -> None:
    """n1 serves half an expert to the CPU (5 us at its 100 GB/s), n0 that and the fetch (10 us); rows are free."""
    miss = max(5, FETCH)
    assert total_us("trimoe") == BEFORE + max(miss, CPU, N0 + 10 + 5, N1 + 5) + AFTER
    assert total_us("trimoe", served=False) == BEFORE + max(miss, 8, N0 + 10, N1) + AFTER


@pytest.mark.parametrize("fetched", [MB, 2 * MB])
def test_trimoe_misses_take_the_longer_of_fetch_and_kernel(fetched: int) -> None:
    miss = max(5, FETCH * fetched // MB)
    assert total_us("trimoe", fetched=fetched) == BEFORE + max(miss, N1 + 5) + AFTER


def test_monde_adds_activations_to_the_device_alone() -> None:
    """PMove and the GPU's kernels side by side; the rows go and come in turn with the device's work."""
    assert total_us("monde") == BEFORE + max(FETCH, 5, CPU, N1 + 2) + AFTER
    assert total_us("monde", fetched=MB // 2) == BEFORE + max(FETCH / 2, 5, CPU, N1 + 2) + AFTER


def test_the_edge_framework_adds_transfer_and_kernel() -> None:
    assert total_us("edge-ndp") == BEFORE + max(FETCH + 5, CPU, N0, N1) + AFTER
    assert total_us("edge-ndp", fetched=MB // 2) == BEFORE + max(FETCH / 2 + 5, CPU, N0, N1) + AFTER


@pytest.mark.parametrize(("model", "experts"), [("units", N1), ("trimoe", N1 + 5), ("monde", N1 + 2), ("edge-ndp", N1)])
@pytest.mark.parametrize("early", ["attention", "gate"])
def test_a_fetch_before_the_gate_hides_in_the_layer(model: str, experts: int, early: str) -> None:
    assert total_us(model, early=early) == BEFORE + experts + AFTER


def test_a_fetch_longer_than_its_layer_sets_the_layer() -> None:
    """120 us of copy, and where the engine also has the rows these."""
    assert total_us("trimoe", early="attention", fetched=3 * MB) == 3 * FETCH
    assert total_us("units", early="attention", fetched=3 * MB) == 3 * FETCH + 2


def test_time_is_told_by_the_slowest_unit() -> None:
    each = program()
    assert path_us(each, added_up("units", each)) == {"gpu": BEFORE + AFTER, "dma": FETCH + 2}
    # 38 us of n1's own, and 5 us of the CPU's reads
    assert path_us(each, added_up("trimoe", each)) == {"gpu": BEFORE + AFTER, "n1": N1, "cpu": 5}
    assert path_us(each, added_up("edge-ndp", each)) == {"gpu": BEFORE + 5 + AFTER, "dma": FETCH}


def test_a_kernel_keeps_its_unit_while_it_waits_for_its_fetch_in_trimoe_alone() -> None:
    each = program()
    row = next(i for i, e in enumerate(each.events) if each.lanes[e["lane"]][0] == "gpu" and e["busy_ps"] == 5 * US)
    for model, took in (("trimoe", FETCH), ("units", 5), ("monde", 5), ("edge-ndp", 5)):
        timeline = added_up(model, each)
        assert timeline.end_ps[row] - timeline.start_ps[row] == took * US
