"""The study behind ``moe-cosim reproduce cxl-ndp-accuracy``: what a small model loses under the policy's decisions.

One condition is changed at a time from the base: 4 of 8 experts at 16 bits, alpha 0.5, prompts of 256 tokens followed
by text of their own document, GPTQ. Everything is kept prompt by prompt, so that what is said of it can be recomputed.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.experiment import Experiment, load_experiment
from moe_cosim.sim.accuracy.arms import ARMS, Bits, arms, bits_of, decide_all, split, splits
from moe_cosim.sim.accuracy.decisions import FULL, PromptRouting
from moe_cosim.sim.accuracy.decoder import Decoder
from moe_cosim.sim.accuracy.record import StudyCondition, StudyRecord
from moe_cosim.sim.accuracy.replicas import Replicas, expert_inputs
from moe_cosim.sim.accuracy.scores import Scorer, Scores
from moe_cosim.sim.accuracy.texts import Tokens, Windows, windows
from moe_cosim.version import VERSION
from moe_cosim.workloads.quantization.losses import LossTable

if TYPE_CHECKING:
    from torch import Tensor

EXPERIMENT: Final = "cxl-ndp-mixtral-8x7b-{bits}bit"
"""Shipped, by its average bits."""
WIDTHS: Final = (3, 2)
ANSWER_TOKENS: Final = 128
CALIBRATION_TOKENS: Final = 512
GROUP_SIZE: Final = 64
FEW: Final = ("selector", "uniform", "global", "random")
"""Arms of conditions other than the base."""
TRAIN: Final = ".train"
HELD_OUT: Final = ".held-out"


@dataclass(frozen=True)
class StudySizes:
    """How much is asked; the default is what ships."""

    prompts_each: int = 12
    """Of every domain."""
    calibration_each: int = 8
    methods: tuple[str, ...] = ("gptq", "hqq", "rtn")
    """The first is the base's."""
    seed: int = 0


class Study:
    """One model and the texts of a folder (``NAME.held-out`` to foretell, ``NAME.train`` to calibrate)."""

    def __init__(self, model: Path, texts: Path, sizes: StudySizes, say: Callable[[str], None]) -> None:
        self._sizes, self._say, self._folder = sizes, say, model
        self._begun = time.monotonic()
        self._decoder = Decoder(model)
        tokens = Tokens(model, self._decoder.vocabulary)
        calibration = self._windows(texts, TRAIN, tokens, CALIBRATION_TOKENS, sizes.calibration_each)
        self.base = StudyCondition(sizes.methods[0])
        length = self.base.prompt_tokens + ANSWER_TOKENS + 1
        self.texts = self._windows(texts, HELD_OUT, tokens, length, sizes.prompts_each)
        self._inputs: list[list[Tensor]] = expert_inputs(self._decoder, calibration.tokens)
        self._replicas = {method: Replicas(self._decoder, method, GROUP_SIZE, self._inputs) for method in sizes.methods}
        self._losses: dict[str, LossTable] = {}
        self._scorers: dict[tuple[int, str], Scorer] = {}
        self._rows: list[tuple[StudyCondition, str, Bits, Scores]] = []

    def _windows(self, texts: Path, suffix: str, tokens: Tokens, length: int, each: int) -> Windows:
        files = sorted(texts.glob(f"*{suffix}"))
        return windows(files, tokens, length, each, self._sizes.seed, texts / f"*{suffix}")

    def run(self) -> StudyRecord:
        """All conditions."""
        with tempfile.TemporaryDirectory(prefix="moe-cosim-study-") as folder:
            for method, replicas in self._replicas.items():
                self._losses[method] = replicas.losses()
                np.savez(
                    Path(folder) / f"{method}.npz",
                    bits=np.array(self._losses[method].bits),
                    loss=self._losses[method].loss,
                )
                self._say(f"{method}: losses")
            for condition in self._conditions():
                for bits in WIDTHS:
                    self._measure(replace(condition, bits=bits), Path(folder))
        return self._record()

    def _conditions(self) -> list[StudyCondition]:
        base = self.base
        return [
            base,
            *(replace(base, method=method) for method in self._sizes.methods[1:]),
            *(replace(base, gpu_experts=count) for count in (2, 6)),
            *(replace(base, alpha=alpha) for alpha in (0.0, 1.0)),
            *(replace(base, prompt_tokens=tokens) for tokens in (32, 128)),
            replace(base, text="switched"),
        ]

    def _measure(self, condition: StudyCondition, folder: Path) -> None:
        experiment = load_experiment(
            EXPERIMENT.format(bits=condition.bits),
            {
                "model": str(self._folder),
                "quantization.losses": str(folder / f"{condition.method}.npz"),
                "policy.gpu_experts": condition.gpu_experts,
                "policy.alpha": condition.alpha,
            },
        )
        scorer, replicas = self._scorer(condition), self._replicas[condition.method]
        is_base = replace(condition, bits=self.base.bits) == self.base
        same_setting = replace(condition, bits=self.base.bits, method=self.base.method) == self.base
        made = arms(experiment, scorer.routings, self._sizes.seed, tuple(ARMS) if same_setting else FEW)
        if is_base:
            made |= self._more(experiment, scorer, condition)
        for arm, bits in made.items():
            self._rows.append((condition, arm, bits, scorer.score(replicas, bits)))
        self._say(f"{condition}: {len(made)} arms")

    def _more(self, experiment: Experiment, scorer: Scorer, condition: StudyCondition) -> dict[str, Bits]:
        """Arms of the base alone: placed by what the answer routes, nothing at 16 bits, and every split of bits that
        the selector could have chosen, in all layers alike."""
        decisions = decide_all(experiment, scorer.routings)
        importance = np.stack([one.importance for one in decisions if one.importance is not None])
        selected = bits_of(decisions)
        cold = selected.shape[2] - condition.gpu_experts
        found = {
            "foreknown": bits_of(decide_all(experiment, scorer.answer_routings)),
            "none kept": np.full_like(selected, condition.bits),
        }
        for widths in splits(cold, cold * (condition.bits - 1)):
            found["split " + "-".join(map(str, widths))] = split(selected, importance, widths)
        return found

    def _scorer(self, condition: StudyCondition) -> Scorer:
        key = condition.prompt_tokens, condition.text
        if key not in self._scorers:
            whole = self.texts.tokens
            prompts, answers = whole[:, : self.base.prompt_tokens], whole[:, self.base.prompt_tokens :]
            if condition.text == "switched":  # an answer from the next domain
                answers = np.roll(answers, -self._sizes.prompts_each, axis=0)
            near = [prompt[-condition.prompt_tokens :] for prompt in prompts]
            self._scorers[key] = Scorer(self._replicas[self.base.method], near, answers)
        return self._scorers[key]

    def _record(self) -> StudyRecord:
        scorer = self._scorer(self.base)
        full = {key: one.full() for key, one in self._scorers.items()}
        rows = [(condition, arm, scores) for condition, arm, _, scores in self._rows]
        rows += [
            (replace(self.base, bits=FULL, prompt_tokens=tokens, text=text), "16 bits", scores)
            for (tokens, text), scores in full.items()
        ]
        every = [bits for _, _, bits, _ in self._rows]
        shape = every[0].shape
        every += [np.full(shape, FULL) for _ in full]
        arrays: dict[str, NDArray[Any]] = {
            name: np.stack([getattr(scores, name) for _, _, scores in rows]) for name in ("loss", "divergence")
        }
        for name in ("agreement", "accuracy"):
            shares = np.stack([getattr(scores, name) for _, _, scores in rows])
            arrays[f"{name}_tokens"] = np.rint(shares * ANSWER_TOKENS).astype(np.uint8)
        arrays["bits"] = np.stack(every).astype(np.uint8)
        arrays["losses"] = np.stack([self._losses[method].loss for method in self._sizes.methods])
        arrays["importance"] = importance_of(self._folder, scorer.routings)
        arrays["experts"] = np.stack(
            [
                np.concatenate([prompt.experts, answer.experts])
                for prompt, answer in zip(scorer.routings, scorer.answer_routings, strict=True)
            ]
        ).astype(np.uint8)
        return StudyRecord(
            arms=[(condition, arm) for condition, arm, _ in rows],
            methods=self._sizes.methods,
            domains=self.texts.domains,
            answer_tokens=ANSWER_TOKENS,
            arrays=arrays,
            about={
                **provenance(self._folder),
                "group_size": GROUP_SIZE,
                "sizes": asdict(self._sizes),
                "calibration_tokens": CALIBRATION_TOKENS,
                "seconds": round(time.monotonic() - self._begun),
            },
        )


def provenance(model: Path) -> dict[str, Any]:
    """Of what a study is: the command, the weights, the libraries."""
    weights = hashlib.sha256()
    for file in sorted(model.glob("*.safetensors")):
        with file.open("rb") as opened:
            while part := opened.read(1 << 24):
                weights.update(part)
    return {
        "command": "moe-cosim reproduce cxl-ndp-accuracy --model RUN/model --texts CORPUS",
        "version": VERSION,
        "model_sha256": weights.hexdigest(),
        "versions": {name: version(name) for name in ("torch", "transformers", "numpy")},
    }


def importance_of(model: Path, routings: Sequence[PromptRouting]) -> NDArray[np.float64]:
    """[prompts, layers, experts] by which the policy ranks at the base's settings."""
    experiment = load_experiment(EXPERIMENT.format(bits=WIDTHS[0]), {"model": str(model)})
    return np.stack([one.importance for one in decide_all(experiment, routings) if one.importance is not None])
