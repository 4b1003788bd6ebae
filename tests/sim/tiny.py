"""A model of two layers and an experiment on it, small enough to run in milliseconds."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.cli.main import main
from moe_cosim.sim.engines.base import engines
from moe_cosim.sim.engines.timeline import Timeline
from moe_cosim.sim.results.meter import Meter
from moe_cosim.sim.results.phases import Phases
from moe_cosim.sim.results.result import Result as RunResult
from moe_cosim.workloads.prepare import Prepared, prepare
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace

MODEL: dict[str, Any] = {
    "model_type": "mixtral",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "vocab_size": 1000,
    "tie_word_embeddings": False,
}

EXPERIMENT = """\
name: tiny
machine: {use: h100-cxl-ndp}
model: ./model.json
routing: {source: generator, preset: mixtral-8x7b}
workload: {batch: 1, prompt_tokens: 4, output_tokens: 3}
policy: {name: cxl-ndp, gpu_experts: 1}
"""


@dataclass(frozen=True)
class Tiny:
    """A folder with the model and, as `path`, the experiment."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "tiny.yaml"

    def write(self, *changes: tuple[str, str]) -> Path:
        """The experiment with text replaced; its path."""
        text = EXPERIMENT
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        self.path.write_text(text, encoding="utf-8")
        return self.path

    def write_model(self, **changes: Any) -> Path:
        path = self.folder / "model.json"
        path.write_text(json.dumps(MODEL | changes), encoding="utf-8")
        return path

    def write_trace(
        self, name: str = "trace.npz", layers: int = 2, experts: int = 4, k: int = 2, **changes: Any
    ) -> Path:
        """A trace of two documents of 20 tokens."""
        random = np.random.default_rng(0)
        chosen = [[random.permutation(experts)[:k] for _ in range(layers)] for _ in range(40)]
        arrays = {"weights": None, "offsets": np.array([0, 20, 40]), "num_experts": experts} | changes
        TokenTrace(experts=np.array(chosen, np.uint16), **arrays).save(self.folder / name)
        return self.folder / name


def cli(*arguments: object) -> Result:
    """The command line in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def run_parts(
    source: str | Path | Experiment, changes: dict[str, Any] | None = None
) -> tuple[Prepared, Timeline, RunResult]:
    """A run with everything in between."""
    experiment = source if isinstance(source, Experiment) else load_experiment(source, changes)
    prepared = prepare(experiment)
    timeline = engines.get("embedded")().run(prepared.machine, prepared.program)
    meter = Meter(prepared)
    meter.add(prepared.whole, timeline)
    return prepared, timeline, meter.result(Phases())


def refused(tiny: Tiny, *options: object) -> str:
    """The line; nothing on standard output, nothing left behind."""
    there = set(tiny.folder.rglob("*"))
    found = cli("run", tiny.path, "--out", tiny.folder / "out", *options)
    assert found.exit_code == 2, (found.exit_code, found.stderr, found.exception)
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert found.stderr.startswith("moe-cosim: ")
    assert set(tiny.folder.rglob("*")) == there
    return found.stderr.removeprefix("moe-cosim: ").rstrip("\n")


def says(line: str, where: object, field: str, found: str, allowed: str) -> None:
    """`line` is ``where: field: found …; allowed: …``; `found` and `allowed` are parts of what it says."""
    parts = re.fullmatch(r"(?P<where>.*?): (?P<field>[^:]*): found (?P<found>.*); allowed: (?P<allowed>.*)", line)
    assert parts is not None, line
    assert (parts["where"], parts["field"]) == (str(where), field), line
    assert found in parts["found"], line
    assert allowed in parts["allowed"], line
