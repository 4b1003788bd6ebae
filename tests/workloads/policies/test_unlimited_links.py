"""Every policy on every shipped machine whose links have no limit."""

from __future__ import annotations

import pytest

from moe_cosim.errors import InputError
from moe_cosim.hw_models.catalog import Entry, entries, read
from moe_cosim.sim.engines.base import engines
from moe_cosim.workloads.policies.base import policies
from tests.drawn import one_in
from tests.workloads.hand_made import decided, lower_plan, routing

LAYERS, EXPERTS = 2, 8
ROUTED = routing([[(0, 1)] * LAYERS, [(1, 2)] * LAYERS], [[(3, 4)] * LAYERS, [(0, 5)] * LAYERS], EXPERTS)


@pytest.mark.parametrize("machine", one_in(3, entries("machine")), ids=lambda entry: entry.name)
def test_every_policy_runs_or_says_which_unit_it_misses(machine: Entry) -> None:
    if "measured" in machine.name:
        pytest.importorskip("aiconfigurator_core")
    described = read(machine.path, "machine")
    links = described.get("links", {})
    plain = [name for name, link in links.items() if "flit" not in link["link"]]  # those have no peak to lift
    settings = {f"links.{name}.peak": "unlimited" for name in plain}
    settings |= {f"peers.{name}.rate": "unlimited" for name in described.get("peers", {})}
    ran = set()
    for policy in policies.names():
        try:
            found = decided(ROUTED, policy, machine=machine.name, machine_set=settings)
        except InputError as error:
            assert f"(policy {policy})" in str(error)  # noqa: PT017 (a policy may run, too)
            continue
        timeline = engines.get("embedded")().run(found.scenario.machine, lower_plan(found.scenario, found.plan))
        assert (timeline.end_ps >= timeline.start_ps).all()
        ran.add(policy)
    if not links:
        assert ran == {"all-on-gpu", "static-hybrid", "ktransformers"}  # nothing but a CPU
        return
    assert {"all-on-gpu", "on-demand", "lru", "belady", "hobbit", "klotski"} <= ran
    near_data = {"monde", "monde-dimm", "cxl-ndp"}
    assert near_data <= ran or not near_data & ran
