"""``moe-cosim accuracy``: an experiment's decisions, applied to a real model's experts while it answers prompts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.accuracy.arms import ARMS, arms
from moe_cosim.sim.accuracy.decisions import Decider
from moe_cosim.sim.accuracy.decoder import Decoder
from moe_cosim.sim.accuracy.replicas import Replicas, expert_inputs
from moe_cosim.sim.accuracy.result import AccuracyResult, arm_results
from moe_cosim.sim.accuracy.scores import Scorer
from moe_cosim.sim.accuracy.texts import Tokens, windows

_SYNTHETIC: Final = "synthetic"


@dataclass(frozen=True)
class AccuracySizes:
    """How much is measured, and how experts are quantized."""

    prompts_each: int = 8
    """Of every text file."""
    prompt_tokens: int = 256
    answer_tokens: int = 128
    calibration_each: int = 8
    """Windows of 512 tokens from every calibration file."""
    method: str = "rtn"
    group_size: int = 64
    seed: int = 0

    def check(self) -> None:
        """Raises `InputError` for a number below 1."""
        for name in ("prompts_each", "prompt_tokens", "answer_tokens", "calibration_each"):
            if getattr(self, name) < 1:
                raise InputError("command line", name, getattr(self, name), "at least 1")


def accuracy(
    model: Path,
    source: Experiment | str | Path,
    texts: Sequence[Path],
    calibration: Sequence[Path],
    asked: AccuracySizes | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[float], None] | None = None,
) -> AccuracyResult:
    """Prompts and answers from `texts`, a domain to a file; losses and what the method needs from `calibration`.

    The model is that of the folder, whatever the experiment's is; its losses too, unless it names a table. Raises
    `InputError` for a folder that is no model of the kind, for an experiment that mixes no widths, for texts too short
    and for a vocabulary that is not the tokens'.
    """
    asked = asked or AccuracySizes()
    asked.check()
    if not (model / "config.json").is_file():
        raise InputError(model, "folder", Plain("no config.json"), "the folder of a Hugging Face model")
    experiment = load_experiment(source, {**(settings or {}), "model": str(model)})
    Decider(experiment)  # an experiment that cannot be is said before the model is read
    decoder = Decoder(model)
    tokens = Tokens(model, decoder.vocabulary)
    length = asked.prompt_tokens + asked.answer_tokens + 1
    chosen = windows(texts, tokens, length, asked.prompts_each, asked.seed, "--text")
    shown = windows(calibration, tokens, 512, asked.calibration_each, asked.seed, "--calibration")
    inputs = expert_inputs(decoder, shown.tokens)
    replicas = Replicas(decoder, asked.method, asked.group_size, inputs, "command line")
    prompts, answers = np.split(chosen.tokens, [asked.prompt_tokens], axis=1)
    scorer = Scorer(replicas, list(prompts), answers)
    measured = experiment.quantization.losses == _SYNTHETIC
    with tempfile.TemporaryDirectory(prefix="moe-cosim-accuracy-") as folder:
        if measured:
            table, file = replicas.losses(), Path(folder) / "losses.npz"
            np.savez(file, bits=np.array(table.bits), loss=table.loss)
            experiment = experiment.with_settings({"quantization.losses": str(file)})
        made = arms(experiment, scorer.routings, asked.seed, tuple(ARMS))
    scored = {}
    for number, (arm, bits) in enumerate(made.items(), 1):
        scored[arm] = bits, scorer.score(replicas, bits)
        if progress is not None:
            progress(number / len(made))
    full = scorer.full()
    return AccuracyResult(
        model=model.name,
        experiment=experiment.name,
        method=f"{asked.method}, groups of {asked.group_size}",
        domains=chosen.names,
        prompts=len(prompts),
        prompt_tokens=asked.prompt_tokens,
        answer_tokens=asked.answer_tokens,
        losses="measured on the calibration texts" if measured else Path(experiment.quantization.losses).name,
        full_perplexity=float(np.exp(full.loss.mean())),
        arms=arm_results(full, scored),
    )
