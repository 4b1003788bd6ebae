"""The inputs that were found to hurt, where they lie beside the repository: one line, or a right answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fuzz.judge import Command, judge

CASES = Path(__file__).resolve().parents[3] / "shared" / "data" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not there")

HOSTILE = {
    "axis-overflow": (("sweep", "plan", "axis-overflow.yaml"), "refused"),
    "base-too-long": (("sweep", "plan", "base-too-long.yaml"), "refused"),
    "batch-hang": (("run", "batch-hang/e.yaml"), "refused"),
    "big-num-experts": (("routing", "stats", "big-num-experts.npz"), "refused"),
    "bigtoken": (("replay", "bigtoken"), "accepted or failed"),  # its times are an older version's
    "condition-overflow": (("sweep", "plan", "condition-overflow.yaml"), "refused"),
    "digits": (("show", "model", "./digits.json"), "refused"),
    "huge-num-experts": (("routing", "stats", "huge-num-experts.npz"), "refused"),
    "latency": (("run", "latency.yaml"), "refused"),
    "loss": (("run", "loss.yaml"), "refused"),
    "markups": (("sweep", "plan", "markups.yaml", "--no-estimate"), "accepted"),
    "newline-key": (("run", "newline-key.yaml"), "refused"),
    "not-npy-member": (("routing", "stats", "not-npy-member.npz"), "refused"),
    "seeds-2e9": (("sweep", "plan", "seeds-2e9.yaml"), "refused"),
    "sst-title": (("emit", "sst-title/emit-exp.yaml", "--out", "../outputs/sst"), "refused"),
    "tiny": (("run", "tiny.yaml"), "accepted"),
    "token-error.npy": (("routing", "stats", "token-error.npy"), "refused"),
    "token-error.npz": (("routing", "stats", "token-error.npz"), "refused"),
}
"""Arguments, and how it ends."""

INPUTS = {
    "bom": (("show", "model", "./bom.json"), "accepted"),
    "crlf": (("run", "crlf.yaml"), "accepted"),
    "utf16": (("run", "utf16.yaml"), "refused"),
}


def ends(folder: Path, source: Path, arguments: tuple[str, ...]) -> str:
    (folder / "outputs").mkdir()
    shutil.copytree(source, folder / "in")
    verdict = judge(folder, [Command(arguments)])
    assert not verdict.faults, (verdict.faults, verdict.said)
    return verdict.ending


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str, tmp_path: Path) -> None:
    arguments, ending = HOSTILE[name]
    assert ends(tmp_path, CASES / "hostile", arguments) in ending


@pytest.mark.parametrize("name", INPUTS)
def test_inputs(name: str, tmp_path: Path) -> None:
    arguments, ending = INPUTS[name]
    assert ends(tmp_path, CASES / "inputs", arguments) in ending


@pytest.mark.parametrize("folder", ["traces", "model_configs"])
def test_whatever_people_have_is_read_or_refused_in_one_line(folder: str, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    shutil.copytree(CASES / folder, tmp_path / "in")
    files = sorted(path.name for path in (tmp_path / "in").iterdir())
    assert files
    for name in files:
        command = ("routing", "stats", name) if folder == "traces" else ("show", "model", f"./{name}")
        verdict = judge(tmp_path, [Command(command)])
        assert not verdict.faults, (name, verdict.faults, verdict.said)
