"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import moe_cosim
from moe_cosim.experiment import experiment_names
from moe_cosim.sim.cli.listing import KINDS as LISTED
from moe_cosim.sim.cli.listing import listing
from moe_cosim.sim.cli.main import main
from tests.sim.tiny import Tiny, cli

ROOT = Path(moe_cosim.__file__).parent.parent
FIELDS = {
    "status", "engine", "decode_tokens_per_s", "end_to_end_s", "time_to_first_token_s", "units", "memories", "links",
    "critical_path", "events", "wall_s", "assumptions",
}  # fmt: skip
KINDS = {
    "policies", "machines", "devices", "links", "dram", "isas", "software", "unit-kinds", "unit-models",
    "models", "neuron-models", "draft-models",
    "model-families", "routers", "routing-presets", "trace-formats", "formats", "allocators",
    "engines", "schedulers",
    "experiments", "sweeps", "reproductions", "crosscheck-cases",
}  # fmt: skip


def _process(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "moe_cosim", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def _refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def _strict(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


# -- run ------------------------------------------------------------------------------------------


def test_json_is_the_result_and_nothing_else(tiny: Tiny) -> None:
    found = cli("run", tiny.path, "--json")
    assert (found.exit_code, found.stderr) == (0, "")
    printed = _strict(found.stdout)
    assert printed.keys() >= FIELDS
    assert printed["status"] == "finished"
    assert printed["engine"] == "embedded"
    assert printed["events"] > 0
    assert {row["name"] for row in printed["memories"]} == {"gpu.hbm", "ndp.dram"}
    assert all(row.keys() == {"name", "value", "range", "source"} for row in printed["assumptions"])


def test_json_has_no_nan_even_where_a_rate_is_unlimited(tiny: Tiny) -> None:
    unlimited = "machine.set.links.gpu-cxl.peak=unlimited"
    for policy in ("monde", "cxl-ndp", "lru"):
        found = cli("run", tiny.path, "--json", "--set", unlimited, "--set", f"policy={policy}")
        assert found.exit_code == 0
        assert _strict(found.stdout)["end_to_end_s"] > 0


def test_without_decode_the_rate_is_null(tiny: Tiny) -> None:
    printed = _strict(cli("run", tiny.path, "--set", "workload.output_tokens=1", "--json").stdout)
    assert printed["decode_tokens_per_s"] is None


def test_python_and_command_line_agree(tiny: Tiny) -> None:
    printed = _strict(cli("run", tiny.path, "--set", "workload.batch=2", "--json").stdout)
    result = moe_cosim.run(tiny.path, {"workload.batch": 2}).as_dict()
    for timing in ("wall_s", "lowering_s", "engine_s", "measuring_s", "writing_s"):
        printed.pop(timing), result.pop(timing)
    assert printed == json.loads(json.dumps(result))


def test_tables_show_units_links_and_assumptions(tiny: Tiny) -> None:
    found = cli("run", tiny.path)
    assert (found.exit_code, found.stderr) == (0, "")
    for word in ("decode throughput", "critical path", "gpu.sm", "ndp.dram", "cxl-link-rate", "tokens/s"):
        assert word in found.stdout


def test_names_in_brackets_are_shown_as_they_are(tiny: Tiny) -> None:
    tiny.write(("name: tiny", 'name: "[/bold][red]x"'), ("./model.json", "./[b]/config.json"))
    (tiny.folder / "[b]").mkdir()
    (tiny.folder / "[b]" / "config.json").write_text((tiny.folder / "model.json").read_text())
    found = cli("run", tiny.path)
    assert found.exit_code == 0
    assert "\n[/bold][red]x: cxl-ndp on h100-cxl-ndp, [b]" in found.stdout


def test_the_engine_option_is_the_engine_field(tiny: Tiny) -> None:
    assert _strict(cli("run", tiny.path, "--engine", "embedded", "--json").stdout)["engine"] == "embedded"
    assert cli("run", tiny.path, "--engine", "embeded").exit_code == 2


def test_progress_is_for_terminals_only(tiny: Tiny) -> None:
    child = _process("run", tiny.path, "--json")
    stdout, stderr = child.communicate(timeout=60)
    assert (child.returncode, stderr) == (0, "")
    _strict(stdout)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_progress_appears_on_a_terminal_and_leaves_json_alone(tiny: Tiny) -> None:
    reader, writer = os.openpty()
    command = [sys.executable, "-m", "moe_cosim", "run", str(tiny.path), "--json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=writer, text=True) as child:
        stdout = child.stdout.read() if child.stdout else ""
    os.close(writer)
    shown = os.read(reader, 65536).decode(errors="replace")
    os.close(reader)
    assert "events" in shown
    assert child.returncode == 0
    _strict(stdout)


# -- how it ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [("run",), ("rnu",), ("run", "x", "--jsn"), ("reproduce", "cxl-ndp", "--workers", "0"), ("list", "a", "b")],
    ids=" ".join,
)
def test_usage_errors_are_exit_code_2(arguments: tuple[str, ...]) -> None:
    found = cli(*arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert "Usage:" in found.stderr


def test_a_run_that_fails_is_one_line_and_exit_code_1(tiny: Tiny) -> None:
    found = cli("run", tiny.path, "--set", "machine.set.links.gpu-cxl.peak=0.000001 B/s", "--json")
    assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (1, "", 1)
    assert found.stderr.startswith("moe-cosim: the run takes more than 13 days")


@pytest.mark.parametrize(
    ("wrong", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "moe-cosim: interrupted\n"),
        (OSError(28, "No space left on device"), 1, "moe-cosim: output: No space left on device\n"),
        (BrokenPipeError(), 1, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_comes_from_outside_is_one_line(
    tiny: Tiny, wrong: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise wrong

    monkeypatch.setattr("moe_cosim.sim.run.prepare_run", fail)
    found = cli("run", tiny.path)
    assert (found.exit_code, found.stderr, found.stdout) == (code, line, "")


def test_ctrl_c_is_one_line_and_exit_code_130(tiny: Tiny) -> None:
    """The signal itself, in the middle of a run that would go on for long."""
    code = """
import sys, time, moe_cosim.sim.run
from moe_cosim.sim.cli.main import main

def long_work(experiment):
    print("working", flush=True)
    time.sleep(60)

moe_cosim.sim.run.prepare_run = long_work
main(["run", sys.argv[1]])
"""
    command = [sys.executable, "-c", code, str(tiny.path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "working\n"
        child.send_signal(signal.SIGINT)
        stdout, stderr = child.communicate(timeout=60)
    assert (child.returncode, stdout, stderr) == (130, "", "moe-cosim: interrupted\n")


@pytest.mark.parametrize("arguments", [("show", "h100-cxl-ndp"), ("list", "engines", "--json")], ids=" ".join)
def test_a_reader_that_leaves_is_no_error_message(arguments: tuple[str, ...]) -> None:
    child = _process(*arguments)
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    assert child.stderr.read() == ""
    assert child.wait(timeout=60) in (0, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tiny: Tiny) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "moe_cosim", "list", "engines", "--json"]
        child = subprocess.run(
            command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (child.returncode, child.stderr) == (1, "moe-cosim: output: No space left on device\n")


def test_help_does_not_load_what_only_runs_need() -> None:
    code = (
        "import sys, moe_cosim.sim.cli.main; print(sorted({'numba', 'numpy', 'rich', 'networkx'} & set(sys.modules)))"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert child.stdout == "[]\n"


def test_list_does_not_load_the_compiler() -> None:
    code = "import sys; from moe_cosim.sim.cli.listing import listing; listing(); print('numba' in sys.modules)"
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (child.returncode, child.stdout) == (0, "False\n")


# -- list, show, routing stats ---------------------------------------------------------------------


def test_list_names_everything_with_one_line_each() -> None:
    printed = _strict(cli("list", "--json").stdout)
    assert printed.keys() >= KINDS
    for kind, found in printed.items():
        assert found, kind
        assert all(line.strip() and "\n" not in line for line in found.values()), kind
    assert set(printed["experiments"]) == set(experiment_names())
    assert {"cxl-ndp", "monde", "hobbit", "lru", "belady", "on-demand", "all-on-gpu"} <= set(printed["policies"])
    assert {"generator", "trace"} <= set(printed["routers"])


@pytest.mark.parametrize("kind", [None, *sorted(KINDS)])
def test_listed_lines_are_not_broken(kind: str | None) -> None:
    lines = cli("list", *([kind] if kind else [])).stdout.splitlines()
    expected = listing(kind)
    assert len(lines) == sum(1 + len(found) for found in expected.values())
    for found in expected.values():
        for name, line in found.items():
            assert any(shown.startswith(name) and shown.endswith(line) for shown in lines)


def test_an_unknown_kind_is_refused_with_a_near_miss() -> None:
    found = cli("list", "polices")
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert "did you mean 'policies'?" in found.stderr


def test_show_takes_settings_and_names_their_mistakes() -> None:
    assert "256 GB/s" in cli("show", "h100-cxl-ndp", "--set", "devices.ndp.memories.dram.peak=256 GB/s").stdout
    found = cli("show", "h100-cxl-ndp", "--set", "devices.npd.count=2")
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert found.stderr.startswith("moe-cosim: --set: devices.npd: found 'npd'; allowed: one of cxl, gpu, ndp")
    found = cli("show", "h100-cxl-nd")
    assert found.exit_code == 2
    assert "did you mean 'h100-cxl-ndp'?" in found.stderr


def test_what_a_recording_is_and_the_same_converted(tiny: Tiny) -> None:
    path = tiny.write_trace()
    shown = _strict(cli("routing", "show", path, "--json").stdout)
    assert (shown["format"], shown["layers"], shown["experts_per_token"]) == ("moe-cosim", 2, 2)
    out = tiny.folder / "out.npz"
    converted = _strict(cli("routing", "convert", path, out, "--model", tiny.folder / "model.json", "--json").stdout)
    assert converted == {"written": str(out), **shown}
    assert out.read_bytes() == path.read_bytes()
    counts = tiny.folder / "counts.npy"
    np.save(counts, np.array([[[2, 1, 1, 0], [2, 2, 0, 0]], [[1, 1, 0, 0], [0, 0, 1, 1]]]))
    for words in (("--model", tiny.folder / "model.json"), ("--format", "expert-counts")):
        found = cli("routing", "show", counts, *words)
        assert found.exit_code == (0 if words[0] == "--model" else 2), found.output
    assert "the model's experts per token (--model)" in found.stderr
    found = cli("routing", "stats", counts, "--model", tiny.folder / "model.json", "--json")
    assert _strict(found.stdout)["max_over_mean_pooled"] == pytest.approx((3 / 1.5 + 2 / 1.5) / 2)
    for words in ((counts, "--format", "csv"), ("mixtral-8x7b", "--format", "moe-cosim")):
        assert cli("routing", "stats", *words).exit_code == 2


def test_routing_statistics_of_a_preset_and_of_a_trace(tiny: Tiny) -> None:
    preset = ("mixtral-8x7b", "--sequences", 4, "--tokens", 32)
    for source in (preset, (tiny.write_trace(),)):
        printed = _strict(cli("routing", "stats", *source, "--json").stdout)
        assert printed
        found = cli("routing", "stats", *source)
        assert (found.exit_code, found.stderr) == (0, "")
        assert found.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mixtral-8x7",), "did you mean 'mixtral-8x7b'?"),
        (("mixtral-8x7b", "--tokens", 10**9), "of memory of this computer"),
        (("mixtral-8x7b", "--sequences", 10**9), "of memory of this computer"),
        (("mixtral-8x7b", "--model", "mixtral-8x7"), "did you mean 'mixtral-8x7b'?"),
    ],
)
def test_routing_statistics_refuse_in_one_line(arguments: tuple[object, ...], said: str) -> None:
    found = cli("routing", "stats", *arguments)
    assert (found.exit_code, found.stderr.count("\n"), found.stdout) == (2, 1, "")
    assert said in found.stderr


def _listed(group: click.Group, path: str = "moe-cosim") -> Iterator[tuple[str, str]]:
    """Every command, and what the list of its group has of it on a terminal of 80 columns."""
    room = 80 - 6 - max(map(len, group.commands))
    for name, command in group.commands.items():
        if not command.hidden:
            yield f"{path} {name}", command.get_short_help_str(room)
        if isinstance(command, click.Group):
            yield from _listed(command, f"{path} {name}")


def test_no_list_of_commands_ends_in_the_middle_of_a_sentence() -> None:
    listed = dict(_listed(main))
    assert len(listed) > 50
    assert {path: text for path, text in listed.items() if not text or text.endswith("...")} == {}


def test_the_help_of_list_names_every_kind() -> None:
    said = " ".join(cli("list", "--help").stdout.split()).replace("- ", "-")
    assert [kind for kind in LISTED if f" {kind}" not in said] == []
