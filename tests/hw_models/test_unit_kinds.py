"""A kind of unit from another package: its machine runs with a policy that knows only roles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models.build import build_machine
from tests.hw_models.conftest import Write
from tests.outside import install, python

PIM = """
from moe_cosim.hw_models.units.kinds import Role, UnitKind, unit_kinds

@unit_kinds.register("pim")
class Pim(UnitKind):
    summary = "cores in the banks of a memory"
    role = Role.NEAR_DATA
"""

RUN = """
import json, moe_cosim
from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models.build import build_machine
from moe_cosim.sim.cli.tables.parts.machine import machine_document
from moe_cosim.sim.compare.compare import compare

def found(policy):
    own = {{"machine.use": {machine!r}, "policy": {{"name": policy}}, "model": "mixtral-8x7b",
            "workload.prompt_tokens": 4, "workload.output_tokens": 3}}
    result = moe_cosim.run("monde-mixtral-8x7b", own, out=policy).as_dict()
    return {{"kinds": [row["kind"] for row in result["units"]], "near_data": result["experts"]["near_data"],
             "ran": [row["unit"] for row in result["expert_classes"]], "busy": result["near_data_busy_per_expert_s"]}}

shown = machine_document(build_machine({machine!r}, Assumptions()), ())
print(json.dumps({{"runs": [found(policy) for policy in ("monde", "cxl-ndp")],
    "shown": [row["kind"] for row in shown["units"]],
    "compared": [row["unit"] for row in compare("monde", "cxl-ndp").units]}}))
"""

NDP_UNIT = ("units:\n  core:\n    kind: ndp", "units:\n  core:\n    kind: pim")


def test_a_kind_from_outside_runs_with_policies_that_know_its_role(write: Write, tmp_path: Path) -> None:
    path = write(device=NDP_UNIT)
    device = path.parent / "device.yaml"
    device.write_text(device.read_text().replace('"64 GB"', '"512 GB"'))
    install(tmp_path, "outside", {"outside.py": PIM}, {"unit_kinds": {"pim": "outside"}})
    found = json.loads(python(tmp_path, RUN.format(machine=str(path))))
    for run in found["runs"]:
        assert run["kinds"] == ["gpu", "dma", "pim"]
        assert "pim" in run["ran"]
        assert run["near_data"] > 0
        assert run["busy"] > 0
    assert "pim" in found["compared"]
    assert "pim" in found["shown"]


def test_without_the_package_the_kind_is_refused(write: Write) -> None:
    with pytest.raises(InputError, match=r"units.core.kind: found 'pim'; allowed: one of cpu, dma, gpu, ndp"):
        build_machine(write(device=NDP_UNIT), Assumptions())


def test_units_are_found_by_what_they_are_for() -> None:
    machine = build_machine("h100-amx-dimm-ndp", Assumptions())
    roles = (machine.main_units, machine.near_data_units, machine.host_units, machine.copy_units)
    assert [{unit.kind for unit in units} for units in roles] == [{"gpu"}, {"ndp"}, {"cpu"}, {"dma"}]
    assert sum(map(len, roles)) == len(machine.units)
