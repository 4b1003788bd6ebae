"""Things made once per process: shared while nothing that decides them changes, and made anew when it does."""

from pathlib import Path

import pytest

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError
from moe_cosim.experiment import load_experiment
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.chosen import machine_of
from moe_cosim.hw_models.machine import Machine
from moe_cosim.remembered import Remembered, stamp
from moe_cosim.sim.run import run
from moe_cosim.workloads.models.find import find_model
from moe_cosim.workloads.quantization.precisions import quantization_of

RATE = Assumption("rate", "1 GB/s", ("1 GB/s", "9 GB/s"), "made up", "bytes/s")
SHORT = {"workload.prompt_tokens": 4, "workload.output_tokens": 3}
TIMES = {"wall_s", "lowering_s", "engine_s", "measuring_s", "writing_s"}


def test_made_once_for_equal_settings_and_what_was_asked_is_used_again() -> None:
    remembered: Remembered[object] = Remembered(2)

    def get(key: str, settings: dict[str, str]) -> tuple[object, list[tuple[str, str]]]:
        assumptions = Assumptions(settings)
        thing = remembered.get(key, assumptions, lambda apart: ((apart.number(RATE), object()), {}))
        return thing, [(one.name, one.value) for one in assumptions.used()]

    first, used = get("a", {})
    assert used == [("rate", "1 GB/s")]
    assert get("a", {}) == (first, used)
    faster, used = get("a", {"rate": "2 GB/s"})
    assert faster != first
    assert used == [("rate", "2 GB/s")]
    assert get("a", {})[0] is first
    assert get("a", {"another": "1 GB/s"})[0] is first
    get("b", {})
    assert get("a", {})[0] is first
    assert get("a", {"rate": "2 GB/s"})[0] is not faster  # two are kept: this one was used longest ago


def test_made_anew_when_a_file_changes_or_goes(tmp_path: Path) -> None:
    remembered: Remembered[str] = Remembered(2)
    path = tmp_path / "file"

    def get() -> str:
        return remembered.get("a", Assumptions(), lambda _: (path.read_text(), {path: stamp(path)}))

    path.write_text("one")
    assert get() == get() == "one"
    path.write_text("three")
    assert get() == "three"
    path.unlink()
    with pytest.raises(FileNotFoundError):
        get()


def test_what_fails_is_not_remembered() -> None:
    for _ in range(2):
        with pytest.raises(InputError, match=r"assumptions\.cxl-link-rate"):
            _machine({"assumptions.cxl-link-rate": "9 PB/s"})


def test_a_machine_is_shared_until_its_description_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = catalog.find("h100-cxl-ndp", "machine").read_text()
    path.write_text(text)
    settings = {"machine.use": str(path)}
    first = _machine(settings)
    assert _machine(settings) is first
    assert _machine({**settings, "machine.set.devices.ndp.count": 2}) is not first
    slower = _machine({**settings, "assumptions.cxl-link-rate": "32 GB/s"})
    assert {one.bytes_per_s for one in slower.resources} != {one.bytes_per_s for one in first.resources}
    path.write_text(text.replace("title:", "title: another", 1))
    assert _machine(settings).title != first.title


def test_a_model_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    source = Path(__file__).parents[1] / "data" / "hf"
    small = next(path for path in sorted(source.rglob("*.json")) if '"hidden_size": 4096' in path.read_text())
    path = tmp_path / "config.json"
    path.write_text(small.read_text())
    first = find_model(path)
    assert find_model(path) is first
    path.write_text(small.read_text().replace('"hidden_size": 4096', '"hidden_size": 8192'))
    assert find_model(path).hidden == 8192


def test_shared_losses_cannot_be_written_to() -> None:
    experiment = load_experiment("cxl-ndp-mixtral-8x7b-2bit")
    losses = quantization_of(experiment, find_model(experiment.model), Assumptions()).losses
    assert quantization_of(experiment, find_model(experiment.model), Assumptions()).losses is losses
    with pytest.raises(ValueError, match="read-only"):
        losses.loss[0] = 0


@pytest.mark.parametrize("name", ["cxl-ndp-mixtral-8x7b-2bit", "hobbit-mixtral-8x7b", "trimoe-deepseek-v2"])
def test_a_run_among_others_gives_what_it_gives_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def once(name: str, **more: object) -> dict[str, object]:
        found = run(name, {**SHORT, **more}).as_dict()
        return {key: value for key, value in found.items() if key not in TIMES}

    among = [
        once(name),
        once("monde-mixtral-8x7b"),
        once(name, seed=3),
        once(name, **{"workload.batch": 2}),
        once(name),
    ]
    assert among[0] == among[-1]
    for place in ("moe_cosim.hw_models.chosen._MACHINES", "moe_cosim.workloads.quantization.precisions._SYNTHETIC"):
        monkeypatch.setattr(place, Remembered(1))
    monkeypatch.setattr("moe_cosim.workloads.draw._LAST_DRAW", {})
    assert once(name) == among[0]


def _machine(settings: dict[str, object]) -> Machine:
    experiment = load_experiment("cxl-ndp-mixtral-8x7b-2bit", settings)
    return machine_of(experiment, Assumptions(experiment.assumptions))
