"""Where the full set of experts lives: by the policy's own rule, or as the experiment says."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models.build import build_machine
from moe_cosim.testing.policy.contract import check
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.residence import HOMES, Residence, residence
from moe_cosim.workloads.prepare import prepare
from tests.workloads.hand_made import Decided, decided, one_layer

BOTH = "rtx5080-dimm-ndp-4"
"""Host DRAM, and four modules with cores."""
ROUTED = one_layer([(expert, (expert + 1) % 12) for expert in range(12)], [(0, 1), (5, 9)], experts=12)


def homes(found: Decided) -> Counter[str]:
    """How many experts live in each memory; of a striped copy one part in each counts one."""
    machine, plan = found.scenario.machine, found.plan
    names = [memory.name for memory in machine.memory_list]
    where = machine.memory_index(plan.residents["address"])
    striped = plan.stripes.memories if plan.stripes is not None else ()
    return Counter(name for index in where.tolist() for name in ([names[index]] if index >= 0 else striped))


def decide(policy: str, home: str | None = None, machine: str = BOTH) -> Decided:
    options = {"gpu_experts": 0} if "gpu_experts" in policies.get(policy).options_class.model_fields else {}
    return decided(ROUTED, policy, options | ({"home": home} if home else {}), machine=machine)


@pytest.mark.parametrize("policy", ["fiddler", "ktransformers", "on-demand", "lru", "belady", "klotski"])
def test_offloading_reads_host_memory_though_there_are_ndp_modules(policy: str) -> None:
    assert homes(decide(policy)) == {"host.dram": 12}


def test_without_host_memory_the_next_of_the_policy_s_homes_is_taken() -> None:
    assert set(homes(decide("on-demand", machine="h100-cxl-ndp-4"))) == {f"ndp{index}.dram" for index in range(4)}
    assert set(homes(decide("lru", machine="h100-cxl-memory"))) == {"memory.dram"}


def test_near_data_policies_keep_their_experts_near_the_data() -> None:
    assert homes(decide("monde")) == dict.fromkeys((f"dimm{index}.dram" for index in range(4)), 3)


def test_an_experiment_says_where_experts_live() -> None:
    modules = [f"dimm{index}.dram" for index in range(4)]
    assert homes(decide("fiddler", "near-data")) == dict.fromkeys(modules, 12)  # in equal parts over all
    assert homes(decide("lru", "near-data")) == dict.fromkeys(modules, 3)
    assert homes(decide("lru", "host")) == {"host.dram": 12}


@pytest.mark.parametrize("policy", ["fiddler", "on-demand"])
def test_a_mixed_home_deals_whole_experts_by_capacity(policy: str) -> None:
    found = decide(policy, "mixed")
    held = homes(found)
    memories = found.scenario.machine.memories
    of = [name for name in memories if name == "host.dram" or name.startswith("dimm")]
    total = sum(memories[name].capacity_bytes for name in of)
    assert sum(held.values()) == 12
    for name in of:
        assert abs(held[name] - 12 * memories[name].capacity_bytes / total) < 1
    assert found.plan.stripes is None


@pytest.mark.parametrize(
    ("policy", "home", "machine", "message"),
    [
        ("fiddler", "cxl", BOTH, r"policy\.home: found 'cxl'; allowed: a machine with CXL memory \(policy fiddler\)$"),
        ("lru", "mixed", "h100-host", r"found 'mixed'; allowed: a machine with host memory and an NDP unit \(policy"),
        ("monde", "host", BOTH, r"policy\.home: found 'host'; allowed: one of near-data \(policy monde\)$"),
        ("all-on-gpu", "host", BOTH, r"policy\.home: found 'host'; allowed: one of gpu \(policy all-on-gpu\)$"),
        (
            "lru",
            "hots",
            BOTH,
            r"found 'hots'; allowed: one of cxl, flash, host, mixed, near-data \(did you mean 'host'\?\)",
        ),
        ("lru", 3, BOTH, r"policy\.home: found 3; allowed: one of "),
    ],
)
def test_a_home_that_cannot_be_is_refused(policy: str, home: str, machine: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        decide(policy, home, machine)


def test_a_machine_without_any_of_a_policy_s_homes_is_refused() -> None:
    machine = build_machine("h100-host", Assumptions())
    with pytest.raises(InputError, match=r"machine: found 'h100-host'; .* a machine with an NDP unit \(policy p\)"):
        residence(machine, None, ("near-data",), "p", "here")
    with pytest.raises(InputError, match=r"a machine with CXL memory or an NDP unit \(policy p\)"):
        residence(machine, None, ("cxl", "near-data", "mixed"), "p", "here")


@pytest.mark.parametrize("home", ["host", "near-data", "mixed"])
def test_a_plan_from_any_home_can_be_carried_out(home: str) -> None:
    settings = {"machine.use": BOTH, "policy.home": home, "workload.prompt_tokens": 4, "workload.output_tokens": 3}
    check(prepare(load_experiment("edge-fiddler-mixtral-8x7b", settings)))


def test_every_policy_names_homes_that_there_are() -> None:
    for name, policy in policies:
        assert set(policy.homes) <= set(HOMES), name


@given(st.lists(st.integers(1, 1 << 45), min_size=1, max_size=20), st.integers(0, 300))
def test_dealing_stays_close_to_the_shares(weights: list[int], count: int) -> None:
    names = tuple(map(str, range(len(weights))))
    held = Counter(Residence(names, tuple(weights)).of_experts(count))
    for name, weight in zip(names, weights, strict=True):
        assert abs(held[name] - count * weight / sum(weights)) < len(weights)
    assert sum(held.values()) == count


@given(st.integers(1, 20), st.integers(0, 100))
def test_equal_weights_deal_round_in_turn(memories: int, count: int) -> None:
    names = tuple(map(str, range(memories)))
    assert Residence(names, (7,) * memories).of_experts(count) == tuple(names[e % memories] for e in range(count))
