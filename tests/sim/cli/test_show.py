"""``moe-cosim show``: everything that is listed is shown, by kind and name, by name alone, and by file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.catalog import find
from moe_cosim.options import option_rows
from moe_cosim.sim.cli.commands.show import show
from moe_cosim.sim.cli.listing import KINDS, listing
from moe_cosim.workloads.models.find import find_model
from moe_cosim.workloads.policies.base import policies
from tests.sim.tiny import cli

HF = Path(__file__).parents[2] / "data" / "hf"


def document(*arguments: object) -> Any:
    found = cli("show", *arguments, "--json")
    assert (found.exit_code, found.stderr) == (0, "")
    return json.loads(found.stdout)


def test_every_kind_can_be_shown() -> None:
    assert set(show.commands) == {kind.name for kind in KINDS.values()}


@pytest.mark.parametrize("plural", KINDS)
def test_everything_that_is_listed_is_shown(plural: str) -> None:
    kind, names = KINDS[plural].name, listing(plural)[plural]
    for name in names:
        assert name in json.dumps(document(kind, name), ensure_ascii=False)
        found = cli("show", kind, name)
        assert (found.exit_code, found.stderr) == (0, "")
        assert found.stdout.startswith(f"{name}: ") or kind != "machine"
        assert found.stdout


def test_a_name_of_one_kind_needs_no_kind() -> None:
    known = listing()
    times = Counter(name for plural in KINDS for name in known.get(plural, {}))
    for plural in ("machines", "policies", "engines", "sweeps"):
        name = next(name for name in known[plural] if times[name] == 1)
        assert document(name) == document(KINDS[plural].name, name)


def test_a_name_of_several_kinds_is_refused_with_the_calls_that_work() -> None:
    found = cli("show", "mixtral-8x7b")
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr == (
        "moe-cosim: show: name: found 'mixtral-8x7b', which is a model, a routing-preset; allowed: "
        "'moe-cosim show model mixtral-8x7b' or 'moe-cosim show routing-preset mixtral-8x7b'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("policy", "hobit"), "show: policy: found 'hobit'; allowed: one of "),
        (("policy", "hobit"), "did you mean 'hobbit'?"),
        (("model", "mixtral-8x7"), "did you mean 'mixtral-8x7b'?"),
        (("device", "cxl-npd"), "did you mean 'cxl-ndp'?"),
        (("experiment", "no-such"), "no-such: experiment: found no such file or name"),
        (("sweep", "no-such"), "no-such: sweep: found no such file or name"),
        (("crosscheck-case", "read-one"), "show: crosscheck-case: found 'read-one'"),
        (("routing-preset", "mixtral"), "found 'mixtral'; allowed: one of "),
        (("hobit",), "did you mean 'hobbit'?"),
        (("/nowhere.yaml",), "show: name: found '/nowhere.yaml'"),
        (("experiment", "hobbit-mixtral-8x7b", "--set", "policy.t1"), "--set: path=value: found 'policy.t1'"),
        (("machine", "h100-cxl-ndp", "--set", "devices.npd.count=2"), "--set: devices.npd: found 'npd'"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], said: str) -> None:
    found = cli("show", *arguments)
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1)
    assert said in found.stderr


def test_files_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    machine, device = find("h100-cxl-ndp", "machine"), find("cxl-ndp", "device")
    experiment = tmp_path / "mine.yaml"
    experiment.write_text(load_experiment("hobbit-mixtral-8x7b").to_yaml())
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text("base: mine.yaml\ngrid: {workload.batch: [1, 2]}\n")
    config = next(HF.rglob("*.json"))
    for path, kind in (
        (machine, "machine"),
        (device, "device"),
        (experiment, "experiment"),
        (sweep, "sweep"),
        (config, "model"),
    ):
        assert document(path) == document(kind, path)
    assert document(machine) == document("machine", "h100-cxl-ndp")


def test_a_folder_of_the_same_name_does_not_hide_what_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "h100-cxl-ndp").mkdir()
    monkeypatch.chdir(tmp_path)
    assert document("h100-cxl-ndp")["name"] == "h100-cxl-ndp"


@pytest.mark.parametrize("name", policies.names())
def test_a_policy_shows_all_it_can_be_told_and_all_it_assumes(name: str) -> None:
    cls, found = policies.get(name), document("policy", name)
    assert [row["field"] for row in found["options"]] == [row.field for row in option_rows(cls.options_class)]
    assert {row["name"] for row in found["assumptions"]} == {one.name for one in cls.assumptions}
    for_people = cli("show", "policy", name).stdout
    for row in [*found["options"], *found["assumptions"]]:
        assert (row.get("meaning") or row["source"]) in for_people


def test_a_model_shows_its_size_and_shapes() -> None:
    """Mixtral-8x7B: 46.7 billion parameters, 12.9 active (arXiv 2401.04088)."""
    found, model = document("model", "mixtral-8x7b"), find_model("mixtral-8x7b")
    assert (found["total_params"], found["active_params"]) == (model.total_params, model.active_params)
    assert f"{found['total_params'] / 1e9:.1f} {found['active_params'] / 1e9:.1f}" == "46.7 12.9"
    shapes = {(part["block"], part["name"]): (part["rows"], part["columns"]) for part in found["parts"]}
    assert shapes["expert", "down"] == (14336, 4096)
    assert shapes["attention", "key"] == (4096, 1024)
    assert shapes["router", "gate"] == (4096, 8)
    assert found["attention"] == {"kind": "gqa", "heads": 32, "kv_heads": 8, "head_dim": 128}


def test_an_experiment_is_shown_as_a_file_that_is_the_same_experiment(tmp_path: Path) -> None:
    settings = {"workload.batch": 4}
    shown = cli("show", "experiment", "hobbit-mixtral-8x7b", "--set", "workload.batch=4").stdout
    (tmp_path / "again.yaml").write_text(shown)
    assert load_experiment(tmp_path / "again.yaml") == load_experiment("hobbit-mixtral-8x7b", settings)


def test_tables_alone() -> None:
    lines = cli("show", "policy", "hobbit", "--csv").stdout.splitlines()
    assert lines[0] == "field,default,unit,allowed,meaning"
    assert lines[1].startswith("t1,0.6,")
    rows = json.loads(cli("show", "model", "mixtral-8x7b", "--table", "parts", "--json").stdout)
    assert {"block", "name", "rows", "columns", "params"} <= rows[0].keys()


@pytest.mark.parametrize("entry", catalog.entries("machine")[::7], ids=lambda entry: entry.name)
def test_a_constant_of_a_machine_is_shown_once(entry: catalog.Entry) -> None:
    found = json.loads(cli("show", "machine", entry.name, "--table", "constants", "--json").stdout)
    assert found
    assert [name for name, times in Counter(row["constant"] for row in found).items() if times > 1] == []


DESCRIBED = ("machine", "device", "link", "dram", "isa", "software")


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, entry.name) for kind in DESCRIBED for entry in catalog.entries(kind)[:3]]
)
def test_every_kind_of_description_is_shown_as_a_file_to_begin_with(kind: str, name: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(cli("show", kind, name, "--yaml").stdout)
    assert catalog.read(mine, kind) == catalog.read(find(name, kind), kind)
    assert json.loads(cli("show", kind, mine, "--json").stdout)["title" if kind != "machine" else "units"]
    assert json.loads(cli("show", kind, name, "--yaml", "--json").stdout)["kind"] == kind


def test_settings_are_no_part_of_a_file() -> None:
    assert "without --set" in cli("show", "machine", "h100-cxl-ndp", "--yaml", "--set", "title=x").stderr


def test_a_description_that_is_a_part_of_others_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "part.yaml"
    path.write_text("kind: kernel-fit\n")
    found = cli("show", path)
    assert found.exit_code == 2
    assert "kind: found 'kernel-fit'; allowed: one of " in found.stderr
