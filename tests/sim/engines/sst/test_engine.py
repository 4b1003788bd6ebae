"""The engine's options from an experiment and from the command line, and what needs no SST to be said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.cli.main import main
from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.engines.sst import library
from moe_cosim.sim.engines.sst.engine import SstEngine
from moe_cosim.sim.engines.sst.installation import Installation, has_ramulator
from moe_cosim.sim.engines.sst.streams import read_stream
from moe_cosim.sim.run import run
from tests.sim.engines.sst.recording import Recorder

SMALL = {
    "model": "deepseek-v2-lite",
    "routing.preset": "deepseek-v2-lite",
    "workload.prompt_tokens": 1,
    "workload.output_tokens": 2,
}


def experiment(engine: Any = "embedded", **more: Any) -> Experiment:
    return load_experiment("cxl-ndp-mixtral-8x7b-3bit", {**SMALL, "engine": engine, **more})


def test_a_bare_name_still_is_an_engine() -> None:
    plain = experiment()
    assert (plain.engine, plain.engine_name, plain.engine_options) == ("embedded", "embedded", {})


def test_options_reach_the_engine() -> None:
    chosen = experiment({"name": "sst", "line_size": 64, "ranks": 2})
    assert chosen.engine_name == "sst"
    engine = engines.get("sst").from_options(chosen.engine_options, chosen.where)
    assert isinstance(engine, SstEngine)
    assert (engine.options.line_size, engine.options.ranks, engine.options.threads) == (64, 2, 1)


def test_a_setting_adds_an_option_to_a_bare_name() -> None:
    chosen = experiment("sst").with_settings({"engine.line_size": 128})
    assert chosen.engine == {"name": "sst", "line_size": 128}
    assert experiment("sst", **{"engine.threads": 2}).engine == {"name": "sst", "threads": 2}


@pytest.mark.parametrize(
    ("engine", "named"),
    [
        ({"name": "sst", "line_sise": 64}, ["engine.line_sise", "did you mean 'line_size'"]),
        ({"name": "sst", "ranks": 0}, ["engine.ranks", "0"]),
        ({"name": "sst", "time_limit_s": 90_000}, ["engine.time_limit_s", "90000"]),
        ({"name": "sst", "configuration": "xml"}, ["engine.configuration", "xml"]),
        ({"name": "embedded", "ranks": 2}, ["engine.ranks", "one of line_size"]),
        ({"name": "sstt"}, ["engine", "'sstt'", "did you mean 'sst'"]),
        ({"ranks": 2}, ["engine", "''", "one of"]),
        (7, ["engine", "7", "name"]),
    ],
)
def test_options_that_an_engine_lacks_are_refused(engine: Any, named: list[str]) -> None:
    with pytest.raises(InputError) as raised:
        run(experiment(engine))
    for word in named:
        assert word in str(raised.value)


@pytest.fixture
def no_sst(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("no_sst")
class TestWithoutSst:
    @pytest.mark.parametrize("command", [["doctor"], ["sst", "build"], ["sst", "catalogue"]])
    def test_commands_name_what_is_missing_and_the_guide(self, command: list[str]) -> None:
        outcome = CliRunner().invoke(main, command)
        assert outcome.exit_code == 1
        assert "no program 'sst' on the PATH" in outcome.output
        assert "https://sst-simulator.org" in outcome.output

    def test_a_run_ends_with_one_line_and_code_1(self) -> None:
        settings = [part for item in SMALL.items() for part in ("--set", f"{item[0]}={item[1]}")]
        outcome = CliRunner().invoke(main, ["run", "cxl-ndp-mixtral-8x7b-3bit", *settings, "--engine", "sst"])
        assert outcome.exit_code == 1
        assert outcome.output.startswith("moe-cosim: SST, not installed")
        assert len(outcome.output.splitlines()) == 1

    def test_emit_writes_a_whole_folder(self, tmp_path: Path) -> None:
        settings = [part for item in SMALL.items() for part in ("--set", f"{item[0]}={item[1]}")]
        out = tmp_path / "there"
        command = ["emit", "cxl-ndp-mixtral-8x7b-3bit", *settings, "--out", str(out), "--line-size", "512"]
        outcome = CliRunner().invoke(main, command)
        assert outcome.exit_code == 0, outcome.output
        python, document = (out / "config.py").read_text(), json.loads((out / "config.json").read_text())
        assert Recorder().execute(python) == document
        assert str(tmp_path) not in python
        for core in document["components"]:
            if core["type"] == "moecosim.StreamCore":
                assert core["params"]["line_bytes"] == "512"
                header, *_ = read_stream(out / core["params"]["stream"])
                assert header["events"][0] > 0
        assert {path.name for path in (out / "elements").iterdir()} == {path.name for path in library.sources()}
        readme = (out / "README.md").read_text()
        for words in ("sst --add-lib-path=. config.py", "--num-threads=2", "mpirun -np 2", "libmoecosim.so"):
            assert words in readme
        again = CliRunner().invoke(main, command)
        assert again.exit_code == 2
        assert "something there" in again.output


def test_an_option_on_the_command_line_is_the_engines() -> None:
    outcome = CliRunner().invoke(main, ["run", "cxl-ndp-mixtral-8x7b-3bit", "--threads", "2"])
    assert outcome.exit_code == 2
    assert "engine.threads" in outcome.output
    assert "on busy cores both make SST far slower" in outcome.output


def installation(folder: Path, config: str) -> Installation:
    program = folder / "sst-config"
    program.write_text(f"#!/bin/sh\n{config}\n")
    program.chmod(0o755)
    return Installation(folder / "sst", folder / "sst-info", program, "16.0.0", None, (), None, "")


def test_a_build_without_compiler_or_sst_config_is_a_clean_error(tmp_path: Path) -> None:
    with pytest.raises(library.SstBuildFailedError, match="no-such-compiler"):
        library.build_library(installation(tmp_path, 'echo "no-such-compiler -std=c++17"'))
    with pytest.raises(library.SstBuildFailedError, match="sst-config"):
        library.build_library(installation(tmp_path, "exit 1"))


@pytest.mark.parametrize(
    ("says", "expected"), [("   SubComponent 0: ramulator2", True), ("SubComponents (43 total)", False)]
)
def test_sst_info_says_whether_the_back_end_for_ramulator_is_there(tmp_path: Path, says: str, expected: bool) -> None:
    info = tmp_path / "sst-info"
    info.write_text(f"#!/bin/sh\necho '{says}'\n")
    info.chmod(0o755)
    assert has_ramulator(installation(tmp_path, "exit 0")) is expected


def test_a_build_is_made_once_and_a_refused_one_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "user_cache_path", lambda _: tmp_path / "cache")
    compiler = tmp_path / "compiler"
    compiler.write_text(
        '#!/bin/sh\necho once >> "$(dirname "$0")/count"\n'
        'while [ "$1" != "-o" ]; do shift; done\n[ -n "$REFUSE" ] && echo "error: refused" && exit 1\necho x > "$2"\n'
    )
    compiler.chmod(0o755)
    found = installation(tmp_path, f'[ "$1" = --CXX ] && echo {compiler}')
    monkeypatch.setenv("REFUSE", "1")
    with pytest.raises(library.SstBuildFailedError, match="error: refused"):
        library.build_library(found)
    monkeypatch.delenv("REFUSE")
    folder = library.build_library(found)
    assert (folder / "libmoecosim.so").is_file()
    assert library.build_library(found) == folder
    assert (tmp_path / "count").read_text().count("once") == 2
