"""Small inputs that used to exhaust memory, hang or end in a traceback: one line, at once."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.sim.tiny import Tiny, cli, refused

SWEEPS = {
    "seeds": ("seeds: 2147483647", "seeds: found 2147483647; allowed: at most 1,000,000"),
    "steps": ("grid: {policy.alpha: {range: [0, 1.0e+308], step: 1.0e-300}}", "grid.policy.alpha.step: found 1e-300"),
    "division": (f"seeds: 2\nwhere: {'9' * 400} / 3 > 1", "where: found arithmetic beyond all numbers"),
    "line end in a variant": ('variants: {"a\\nb": {}}', "keys without control characters"),
    "escapes in a name": ('seeds: 2\nname: "a\\e[2J"', "name: found 'a\\x1b[2J'"),
    "line end in a name": ('seeds: 2\nname: "a\\nb"', "name: found 'a\\nb'; allowed: one line of printable text"),
}


@pytest.mark.parametrize(("text", "said"), SWEEPS.values(), ids=SWEEPS)
def test_a_sweep_that_cannot_be(tiny: Tiny, text: str, said: str) -> None:
    tiny.write()
    path = tiny.folder / "sweep.yaml"
    path.write_text(f"base: tiny.yaml\n{text}\n", encoding="utf-8")
    outcome = cli("sweep", "plan", str(path))
    assert outcome.exit_code == 2, outcome.output
    assert said in outcome.output
    assert len(outcome.output.splitlines()) == 1


def test_names_are_no_markup(tiny: Tiny) -> None:
    tiny.write()
    path = tiny.folder / "sweep.yaml"
    path.write_text('name: "[/b]"\nbase: tiny.yaml\nseeds: 2\nvariants: {"[/x]": {}}\n', encoding="utf-8")
    outcome = cli("sweep", "plan", str(path))
    assert outcome.exit_code == 0, outcome.output
    assert "[/b]" in outcome.output


EXPERIMENTS = {
    "latency": (("{use: h100-cxl-ndp}", '{use: h100-cxl-ndp, set: {links.gpu-cxl.latency: "1e7 s"}}'), "at most"),
    "empty class": (("{source: generator, preset: mixtral-8x7b}", "{source: batch}"), "1 hot, 0 warm and 3 cold of 4"),
}


@pytest.mark.parametrize(("change", "said"), EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_an_experiment_that_cannot_be(tiny: Tiny, change: tuple[str, str], said: str) -> None:
    tiny.write(change)
    assert said in refused(tiny)


def test_a_model_with_a_number_of_5000_digits(tiny: Tiny) -> None:
    tiny.write()
    path = tiny.folder / "model.json"
    path.write_text(path.read_text().replace('"vocab_size": 1000', f'"vocab_size": {"9" * 5000}'), encoding="utf-8")
    assert "4300 digits" in refused(tiny)


@pytest.mark.parametrize("number", [2**62, 70_000])
def test_a_trace_of_more_experts_than_ids(tmp_path: Path, number: int) -> None:
    path = tmp_path / "trace.npz"
    experts = np.zeros((4, 2, 1), np.uint16)
    np.savez(path, experts=experts, offsets=np.array([0, 4]), num_experts=np.array(number))
    outcome = cli("routing", "stats", str(path))
    assert outcome.exit_code == 2, outcome.output
    assert f"num_experts: found {number}; allowed: at most 65536" in outcome.output


def started(command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    line = f'"{sys.executable}" -m moe_cosim {command}'
    return subprocess.run(
        ["/bin/sh", "-c", line], env={**os.environ, **environment}, capture_output=True, timeout=120, check=False
    )


def test_a_closed_output_is_one_line() -> None:
    done = started("list experiments >&-")
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"standard output is closed" in done.stderr


def test_a_closed_standard_error_is_no_error() -> None:
    done = started("list experiments 2>&-")
    assert done.returncode == 0
    assert b"trimoe" in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_all_letters_shows_the_rest(encoding: str) -> None:
    done = started("show machine h100-cxl-ndp", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    done.stdout.decode(encoding)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of files")
@pytest.mark.parametrize("command", ["emit", "run"])
def test_a_disk_that_fills_leaves_nothing(tiny: Tiny, command: str) -> None:
    """A shell's ``ulimit -f`` (in blocks of 512 bytes) fails as a full disk does: in the middle of a file."""
    tiny.write()
    there = set(tiny.folder.rglob("*"))
    line = f'ulimit -f 2; trap "" XFSZ; exec "{sys.executable}" -m moe_cosim {command} "{tiny.path}" --out "$OUT"'
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        env={**os.environ, "OUT": str(tiny.folder / "out")},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"moe-cosim: {tiny.folder / 'out'}: cannot write there: ")
    assert done.stderr.count(b"\n") == 1
    assert set(tiny.folder.rglob("*")) == there


def test_who_asked_for_too_much_memory_is_named(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("moe_cosim.sim.run.prepare_run", exhausted)
    outcome = cli("run", str(tiny.path), "--set", "workload.batch=12345")
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith(f"moe-cosim: {tiny.path}: not enough memory for a workload.batch of 12,345, ")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize("key", ["layers", "experts", "top_k", "domains"])
def test_a_preset_of_more_than_can_be(tiny: Tiny, key: str) -> None:
    preset = yaml.safe_load((files("moe_cosim.workloads.routing") / "presets" / "mixtral-8x7b.yaml").read_text())
    (tiny.folder / "preset.yaml").write_text(yaml.safe_dump(preset | {key: 2**40}), encoding="utf-8")
    tiny.write(("preset: mixtral-8x7b", "preset: ./preset.yaml"))
    assert f"preset.yaml: {key}: found {2**40}; allowed: a whole number from 1 to" in refused(tiny)
