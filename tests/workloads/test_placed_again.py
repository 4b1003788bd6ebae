"""A layout that runs share: each takes addresses of its own after it."""

from __future__ import annotations

from moe_cosim.experiment import load_experiment
from moe_cosim.workloads.scenario import Scenario, draw

SHORT = {"workload.prompt_tokens": 4, "workload.output_tokens": 3}


def drawn(**settings: object) -> Scenario:
    return draw(load_experiment("hobbit-mixtral-8x7b", {**SHORT, **settings}))


def test_what_one_run_takes_is_free_for_the_next() -> None:
    first = drawn()
    memory = first.machine.main_unit.local_memory
    taken = first.addresses.take("experts", memory, 1 << 20)
    second = drawn()
    assert second.layout is first.layout
    assert second.addresses.take("experts", memory, 1 << 20) == taken
    assert second.addresses.regions == first.addresses.regions


def test_another_machine_or_workload_or_precision_is_placed_anew() -> None:
    first = drawn()
    others: list[dict[str, object]] = [
        {"workload.batch": 2},
        {"quantization.dense_format": "int8"},
        {"model": "mixtral-8x22b", "quantization.dense_format": "int8"},
        {"machine.set.devices.host.memories.dram.capacity": "900 GB"},
    ]
    for settings in others:
        other = drawn(**settings)
        assert other.layout is not first.layout
        drawn(seed=3)  # something else in between
        again = drawn(**settings)
        assert again.layout is not other.layout
        assert again.addresses.regions == other.addresses.regions
        assert again.addresses.used_bytes(again.machine.main_unit.local_memory) > 0
