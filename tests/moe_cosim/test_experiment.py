"""Reading experiments: by name and path, with settings, and back from what a run saves."""

from __future__ import annotations

from pathlib import Path

import pytest

from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment, experiment_names, find_experiment, load_experiment, parse_settings
from tests.sim.tiny import Tiny, run_parts


def test_a_shipped_experiment_is_found_by_name() -> None:
    experiment = load_experiment("monde-mixtral-8x7b")
    assert experiment.name == "monde-mixtral-8x7b"
    assert experiment == load_experiment(find_experiment("monde-mixtral-8x7b"))


def test_every_shipped_file_is_named_like_its_experiment() -> None:
    assert experiment_names()
    for name in experiment_names():
        assert load_experiment(name).name == name


def test_a_file_goes_before_a_shipped_name(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.folder)
    tiny.path.rename(tiny.folder / "monde-mixtral-8x7b")
    assert load_experiment("monde-mixtral-8x7b").name == "tiny"


def test_a_folder_does_not_hide_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "monde-mixtral-8x7b").mkdir()
    assert load_experiment("monde-mixtral-8x7b").policy["name"] == "monde"


def test_short_forms_are_spelt_out(tiny: Tiny) -> None:
    tiny.write(("{use: h100-cxl-ndp}", "h100-cxl-ndp"), ("{name: cxl-ndp, gpu_experts: 1}", "monde"))
    experiment = load_experiment(tiny.path)
    assert experiment.machine.use == "h100-cxl-ndp"
    assert experiment.policy == {"name": "monde"}


def test_settings_reach_every_part(tiny: Tiny) -> None:
    experiment = load_experiment(
        tiny.path,
        parse_settings(
            [
                "workload.batch=4",
                "policy.gpu_experts=2",
                "quantization.average_bits=3",
                "assumptions.cxl-link-rate=32 GB/s",
                "machine.set.devices.ndp.memories.dram.peak=256 GB/s",
                "seed=7",
                "name=a=b",
            ]
        ),
    )
    assert experiment.workload.batch == 4
    assert experiment.policy == {"name": "cxl-ndp", "gpu_experts": 2}
    assert experiment.quantization.average_bits == 3
    assert experiment.assumptions == {"cxl-link-rate": "32 GB/s"}
    assert experiment.machine.set == {"devices.ndp.memories.dram.peak": "256 GB/s"}
    assert experiment.seed == 7
    assert experiment.name == "a=b"


def test_settings_reach_the_machine(tiny: Tiny) -> None:
    changes = {
        "machine.set.devices.ndp.memories.dram.peak": "256 GB/s",
        "machine.set.devices.ndp.count": 2,
        "assumptions.cxl-link-rate": "32 GB/s",
    }
    prepared, _, _ = run_parts(tiny.path, changes)
    assert [m.peak_bytes_per_s for m in prepared.machine.memories.values() if m.kind == "ndp"] == [256e9, 256e9]
    assert prepared.machine.links["gpu-cxl"].peak_bytes_per_s == 32e9
    assert {row.name: row.value for row in prepared.scenario.assumptions.used()}["cxl-link-rate"] == "32 GB/s"


def test_a_machine_chosen_by_its_name_alone_can_be_changed(tiny: Tiny) -> None:
    changes = parse_settings(["machine=h100-cxl-ndp-4", "machine.set.devices.ndp.count=2"])
    assert load_experiment(tiny.path, changes).machine.model_dump() == {
        "use": "h100-cxl-ndp-4",
        "set": {"devices.ndp.count": 2},
    }


def test_with_settings_leaves_the_original_alone(tiny: Tiny) -> None:
    first = load_experiment(tiny.path)
    second = first.with_settings({"workload.batch": 2, "assumptions.monde-alpha": 2})
    assert (first.workload.batch, second.workload.batch) == (1, 2)
    assert first.assumptions == {}
    assert first != second


@pytest.mark.parametrize("name", ["hobbit-mixtral-8x7b", "cxl-ndp-mixtral-8x22b-2bit"])
def test_the_resolved_text_gives_an_equal_experiment(name: str, tmp_path: Path) -> None:
    changes = {"workload.output_tokens": 3, "assumptions.host-overhead-per-layer": "10 us", "seed": 3}
    first = load_experiment(name, changes)
    (tmp_path / "again.yaml").write_text(first.to_yaml(), encoding="utf-8")
    again = load_experiment(tmp_path / "again.yaml")
    assert again == first
    assert again.to_yaml() == first.to_yaml()


def test_the_resolved_text_gives_the_same_picoseconds(tiny: Tiny, tmp_path: Path) -> None:
    tiny.write_trace()
    tiny.write(("{source: generator, preset: mixtral-8x7b}", "{source: trace, file: trace.npz}"))
    first = load_experiment(tiny.path, {"workload.batch": 2, "assumptions.cxl-link-rate": "32 GB/s"})
    elsewhere = tmp_path / "another" / "folder"
    elsewhere.mkdir(parents=True)
    (elsewhere / "again.yaml").write_text(first.to_yaml(), encoding="utf-8")
    _, one, _ = run_parts(first)
    _, two, _ = run_parts(elsewhere / "again.yaml")
    assert one.start_ps.tolist() == two.start_ps.tolist()
    assert one.end_ps.tolist() == two.end_ps.tolist()


def test_paths_are_relative_to_the_experiment(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.write(
        ("{source: generator, preset: mixtral-8x7b}", "{source: trace, file: data/trace.npz}"),
        ("policy:", "quantization: {losses: ../losses.csv}\npolicy:"),
        ("{use: h100-cxl-ndp}", "{use: ./my-machine.yaml}"),
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    experiment = load_experiment(Path("..") / "tiny.yaml")
    assert Path(experiment.model).samefile(tiny.folder / "model.json")
    assert Path(experiment.routing["file"]).parent.parent.samefile(tiny.folder)
    assert Path(experiment.machine.use).parent.samefile(tiny.folder)
    assert Path(experiment.quantization.losses).parent.resolve() == tiny.folder.parent.resolve()


def test_paths_in_settings_are_relative_to_the_working_folder(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tiny.folder / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    changes = {"routing": {"source": "trace", "file": "trace.npz"}, "model": "./m.json"}
    for experiment in (load_experiment(tiny.path, changes), load_experiment(tiny.path).with_settings(changes)):
        assert experiment.routing["file"] == str(here / "trace.npz")
        assert Path(experiment.model) == here / "m.json"


def test_names_of_the_catalogues_are_not_paths(tiny: Tiny) -> None:
    tiny.write(("./model.json", "mixtral-8x7b"))
    (tiny.folder / "mixtral-8x7b").write_text("in the way")
    (tiny.folder / "h100-cxl-ndp").write_text("in the way")
    experiment = load_experiment(tiny.path)
    assert (experiment.model, experiment.machine.use) == ("mixtral-8x7b", "h100-cxl-ndp")


def test_an_error_names_the_file_an_experiment_came_from(tiny: Tiny) -> None:
    with pytest.raises(InputError) as error:
        run_parts(tiny.path, {"policy.gpu_experts": 9})
    assert error.value.where == str(tiny.path)
    assert error.value.field == "policy.gpu_experts"


def test_an_error_names_an_experiment_made_in_python(tiny: Tiny) -> None:
    made = Experiment(**(load_experiment(tiny.path).model_dump() | {"policy": {"name": "monde", "alpha": 1}}))
    with pytest.raises(InputError, match=r"^experiment tiny: policy\.alpha: found an unknown option; allowed: "):
        run_parts(made)
