"""The order in which runs are dealt: the longest first, and those on one routing together."""

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.dealing import dealing_order


def test_longest_first_and_one_routing_after_another() -> None:
    settings = [
        {"seed": 1},
        {"seed": 2},
        {"seed": 2, "workload.output_tokens": 100},
        {"seed": 1, "policy.gpu_experts": 1},
        {"seed": 1, "workload.batch": 50},
        {"seed": 2, "assumptions.cxl-link-rate": "32 GB/s"},
        {"seed": 1, "model": "mixtral-8x22b"},
    ]
    base = {"workload.prompt_tokens": 8, "workload.output_tokens": 8, "workload.batch": 2}
    experiments = [load_experiment("cxl-ndp-mixtral-8x7b-2bit", {**base, **one}) for one in settings]
    assert dealing_order(experiments) == [4, 2, 0, 3, 1, 5, 6]
    assert dealing_order([]) == []
