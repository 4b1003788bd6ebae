"""What a point depends on, and what not, in a copy of the package whose files are edited."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models import catalog
from moe_cosim.sim.sweep.identity.digest import digest
from moe_cosim.sim.sweep.identity.files import by_content, named_directly
from moe_cosim.sim.sweep.identity.imports import closure, imported_by
from moe_cosim.sim.sweep.identity.point import Identities
from tests.sim.sweep.conftest import MODEL

ROOT = Path(__file__).parents[3]
SCRIPT = """
import json
from moe_cosim.experiment import load_experiment
from moe_cosim.sim.sweep.identity.point import Identities
cases = {
    "monde": ("monde-mixtral-8x7b", {}),
    "hobbit": ("hobbit-mixtral-8x7b", {}),
    "sst": ("hobbit-mixtral-8x7b", {"engine": "sst"}),
    "window": ("hobbit-mixtral-8x7b", {"engine": "sst", "window.layers": "0:1"}),
    "batch": ("hobbit-mixtral-8x7b", {"routing": {"source": "batch"}}),
    "own model": ("hobbit-mixtral-8x7b", {"model": "own.json"}),
    "other gpu": ("hobbit-mixtral-8x7b", {"machine.set.devices.gpu.device": "h100-pcie"}),
}
found = {}
for name, (source, settings) in cases.items():
    identity = Identities().of(load_experiment(source, settings))
    found[name] = [identity.id, identity.sources]
print(json.dumps(found))
"""

Found = dict[str, tuple[str, dict[str, str]]]


class Tree:
    """The package with real folders inside, as it is installed; tests edit it one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        without = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc")
        shutil.copytree(ROOT / "moe_cosim", folder / "moe_cosim", ignore=without)
        (folder / "own.json").write_text(json.dumps(MODEL))
        self._found: Found | None = None

    def identities(self) -> Found:
        """Computed anew after an edit only."""
        if self._found is None:
            self._found = identities(self.folder, SCRIPT, str(self.folder))
        return self._found

    def edited(self, *files: str) -> Found:
        """What comes of a line more at the end of each."""
        for file in files:
            self.append(file)
        return self.identities()

    def append(self, file: str, text: str = "\n# edited\n") -> None:
        with self.changing(file).open("a") as opened:
            opened.write(text)

    def changing(self, file: str) -> Path:
        """A file of the package that is about to be another."""
        self._found = None
        return self.folder / "moe_cosim" / file


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return Tree(tmp_path_factory.mktemp("tree"))


def identities(folder: Path, script: str, path: str) -> Found:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**kept, "PYTHONPATH": path},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: Found = json.loads(done.stdout)
    return found


def changed(before: Found, after: Found) -> dict[str, set[str]]:
    """By case the components that differ; the ids agree with them."""
    found = {}
    for case, (point_id, sources) in after.items():
        names = {*before[case][1], *sources}
        found[case] = {name for name in names if before[case][1].get(name) != sources.get(name)}
        assert (point_id != before[case][0]) == bool(found[case]), case
    return found


def test_what_a_point_does_not_use_keeps_it(tree: Tree) -> None:
    before = tree.identities()
    tree.append("hw_models/catalog/assumptions.yaml", "\nnew-one: {value: 1, range: [0, 2], source: nobody}\n")
    shutil.copy(
        tree.changing("hw_models/catalog/machines/h100-host.yaml"),
        tree.changing("hw_models/catalog/machines") / "new.yaml",
    )
    version = tree.changing("version.py")
    version.write_text(version.read_text().replace("VERSION = ", 'VERSION = "9.9.9" or '))
    found = tree.edited(
        "sim/cli/main.py",
        "sim/sweep/pool/pool.py",
        "sim/batch/schedulers/slurm.py",
        "sim/reproduce/base.py",
        "workloads/policies/batched/klotski.py",
        "hw_models/units/cpu.py",
        "hw_models/catalog/devices/rtx-5080.yaml",
        "hw_models/catalog/kernel_fits/sglang.yaml",
        "hw_models/catalog/software/llama.cpp.yaml",
        "workloads/routing/presets/gpt-oss-20b.yaml",
        "hw_models/sst/README.md",
    )
    assert changed(before, found) == {case: set() for case in before}


def test_an_edit_gives_new_points_for_what_uses_it_alone(tree: Tree) -> None:
    start = tree.identities()
    after = tree.edited(
        "workloads/policies/offloading/hobbit.py",
        "hw_models/sst/core/flow.h",
        "sim/engines/embedded/kernel.py",
        "workloads/routing/latent_field.py",
        "hw_models/catalog/dram/hbm2e.yaml",
        "hw_models/units/ndp.py",
        "hw_models/catalog/kernel_fits/vllm.yaml",
        "hw_models/catalog/software/eager.yaml",
        "workloads/models/families/mixtral.py",
    )
    found = changed(start, after)
    embedded, router = "engine embedded", "router generator"
    for case in found:  # all run these
        assert {"kernel-fit vllm", "software eager"} <= found[case]
        found[case] -= {"kernel-fit vllm", "software eager"}
    assert found == {
        "monde": {embedded, router, "unit-model systolic-arrays"},
        "hobbit": {"policy hobbit", embedded, router},
        "sst": {"policy hobbit", "engine sst", router},
        "window": {"policy hobbit", "engine sst", embedded, router},
        "batch": {"policy hobbit", embedded},
        "own model": {"policy hobbit", embedded, router, "model-family mixtral"},
        "other gpu": {"policy hobbit", embedded, router, "dram hbm2e"},
    }


def test_an_edit_of_what_every_run_uses_gives_new_points_everywhere(tree: Tree) -> None:
    start = tree.identities()
    assert changed(start, tree.edited("workloads/lowering/lower.py")) == {case: {"core"} for case in start}


PLUGIN = """
from moe_cosim.workloads.lowering.hooks import LoweringHook, lowering_hooks
from moe_cosim.workloads.models.family import families
from moe_cosim.workloads.models.families.mixtral import Mixtral
from moe_cosim.workloads.policies.base import policies
from moe_cosim.workloads.policies.offloading.hobbit import Hobbit
from moe_cosim.hw_models.formats import WeightFormat, register_format

register_format(WeightFormat("nf4", 4))
families.register("mine")(type("MyFamily", (Mixtral,), {"__module__": __name__}))


@lowering_hooks.register("mine")
class MyHook(LoweringHook):
    summary = "nothing"


@policies.register("mine")
class MyPolicy(Hobbit):
    lowering_hooks = ("mine",)
"""
OUTSIDE = """
import json
from moe_cosim.experiment import load_experiment
from moe_cosim.sim.sweep.identity.point import Identities
cases = {
    "neither": {},
    "format": {"quantization.expert_format": "nf4"},
    "option": {"policy.low_format": "nf4"},
    "policy": {"policy": {"name": "mine"}},
    "family": {"model": "mine.json"},
}
found = {}
for name, settings in cases.items():
    identity = Identities().of(load_experiment("hobbit-mixtral-8x7b", settings))
    found[name] = [identity.id, identity.sources]
print(json.dumps(found))
"""


def test_every_kind_of_plug_in_of_another_package_counts_where_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({**MODEL, "model_type": "mine"}))
    (tmp_path / "outside.py").write_text(PLUGIN)
    (tmp_path / "outside-1.dist-info").mkdir()
    (tmp_path / "outside-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1\n")
    groups = {"formats": "nf4", "model_families": "mine", "lowering_hooks": "mine", "policies": "mine"}
    points = "".join(f"[moe_cosim.{group}]\n{name} = outside\n" for group, name in groups.items())
    (tmp_path / "outside-1.dist-info" / "entry_points.txt").write_text(points)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    start = identities(tmp_path, OUTSIDE, path)
    (tmp_path / "outside.py").write_text(f"{PLUGIN}\n# edited\n")
    assert changed(start, identities(tmp_path, OUTSIDE, path)) == {
        "neither": set(),
        "format": {"format nf4"},
        "option": {"format nf4"},
        "policy": {"policy mine", "lowering-hook mine"},
        "family": {"model-family mine"},
    }


def test_no_policy_engine_or_router_is_in_the_core() -> None:
    core = closure(["moe_cosim.sim.run"])
    rooms = (
        "policies.offloading",
        "policies.batched",
        "policies.near_data",
        "policies.hybrid",
        "engines.embedded",
        "engines.sst",
        "engines.makespan",
    )
    assert not [module for module in core if any(f".{room}" in module for room in rooms)]
    assert not [module for module in core if module.startswith(("moe_cosim.sim.sweep", "moe_cosim.sim.cli"))]
    assert {"moe_cosim.workloads.lowering.lower", "moe_cosim.hw_models.machine"} <= core


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import moe_cosim.errors", {"moe_cosim", "moe_cosim.errors"}),
        ("from moe_cosim import errors as e, quantity", {"moe_cosim", "moe_cosim.errors", "moe_cosim.quantity"}),
        ("def f():\n    if x:\n        from moe_cosim.errors import InputError", {"moe_cosim", "moe_cosim.errors"}),
        ("try:\n    pass\nexcept E:\n    import moe_cosim.errors", {"moe_cosim", "moe_cosim.errors"}),
        ("match x:\n    case 1:\n        import moe_cosim.errors", {"moe_cosim", "moe_cosim.errors"}),
        ("class A:\n    async def f(self):\n        import moe_cosim.errors", {"moe_cosim", "moe_cosim.errors"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import moe_cosim.errors", set()),
        (
            "import typing\nif typing.TYPE_CHECKING:\n    import moe_cosim.errors\nelse:\n    import moe_cosim",
            {"moe_cosim"},
        ),
        ("from ..errors import InputError", {"moe_cosim", "moe_cosim.errors"}),
        ("from . import machine", {"moe_cosim", "moe_cosim.hw_models", "moe_cosim.hw_models.machine"}),
        ("import numpy, json", set()),
        ("this is no Python", set()),
    ],
)
def test_imports_are_read_from_the_text(tmp_path: Path, text: str, expected: set[str]) -> None:
    (tmp_path / "part.py").write_text(text)
    assert imported_by(tmp_path / "part.py", "moe_cosim.hw_models") == expected


def test_an_id_is_the_hash_of_the_whole_document_whatever_was_hashed_before(tmp_path: Path) -> None:
    identities = Identities()
    machine = tmp_path / "mine.yaml"
    machine.write_text(catalog.find("h100-cxl-ndp", "machine").read_text())
    (tmp_path / "config.json").write_text(json.dumps(MODEL))
    changes: list[dict[str, object]] = [{}, {"model": str(tmp_path)}, {"machine.use": str(machine)}, {"seed": 4}]
    for settings in changes * 2:
        experiment = load_experiment("cxl-ndp-mixtral-8x7b-2bit", {**settings, "description": "é"})
        found = identities.of(experiment)
        tree = experiment.model_dump(exclude={"name", "description"})
        whole = by_content(tree, found.files)
        direct = named_directly(tree, found.files)
        within = sorted(digest_ for path, digest_ in found.files.items() if path not in direct)
        assert found.id == digest({"experiment": whole, "within": within, "code": digest(found.sources)})
        assert found.id == Identities().of(experiment).id
