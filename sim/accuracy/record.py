"""What a study measured, prompt by prompt, as it is kept: numbers (`study.npz`), what they are of (`study.json`), the
routing as a trace with domains (`routing.npz`) and a loss table for each method, both as experiments read them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.workloads.quantization.losses import BITS
from moe_cosim.workloads.routing import read_trace
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace

SHIPPED: Final = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class StudyCondition:
    """Under which experts were exchanged."""

    method: str
    """Of quantization."""
    bits: int = 3
    """Average of the experts that are not kept at 16."""
    gpu_experts: int = 4
    """Of each layer, kept at 16 bits."""
    alpha: float = 0.5
    prompt_tokens: int = 256
    text: str = "same"
    """``switched``: the answer is of another domain than the prompt."""


@dataclass(frozen=True)
class StudyRecord:
    """All arms of all conditions."""

    arms: list[tuple[StudyCondition, str]]
    """The rows of `arrays` that have rows."""
    methods: tuple[str, ...]
    domains: tuple[str, ...]
    """Of each prompt."""
    answer_tokens: int
    arrays: dict[str, NDArray[Any]]
    """``loss``, ``divergence`` [rows, prompts] in nats per token; ``agreement_tokens``, ``accuracy_tokens`` of each
    answer; ``bits`` [rows, prompts, layers, experts]; of the base: ``losses`` [methods, layers, experts, widths],
    ``importance`` [prompts, layers, experts] and ``experts`` [prompts, tokens, layers, k], prompt and answer."""
    about: dict[str, Any]
    """Where it comes from."""

    @property
    def base(self) -> StudyCondition:
        """The first method, with nothing else changed."""
        return StudyCondition(self.methods[0])

    def row(self, condition: StudyCondition, arm: str) -> int:
        """Raises `KeyError` for what was not measured."""
        try:
            return self.arms.index((condition, arm))
        except ValueError:
            raise KeyError(f"{condition} {arm}") from None

    def values(self, name: str, condition: StudyCondition, arm: str) -> NDArray[np.float64]:
        """[prompts] of ``loss`` or ``divergence``, or of the shares ``agreement`` and ``accuracy``."""
        row = self.row(condition, arm)
        if name in ("agreement", "accuracy"):
            return np.asarray(self.arrays[f"{name}_tokens"][row] / self.answer_tokens, np.float64)
        return np.asarray(self.arrays[name][row], np.float64)

    def save(self, folder: Path) -> None:
        """Write the files that `load` reads into a folder, which is made. Raises `OSError`."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = dict(self.arrays)  # as typed, one might be savez's own option
        self._trace(arrays.pop("experts")).save(folder / "routing.npz")
        np.savez_compressed(folder / "study.npz", **arrays)
        for method, loss in zip(self.methods, self.arrays["losses"], strict=True):
            np.savez_compressed(folder / f"losses-{method}.npz", bits=np.array(BITS), loss=loss)
        text = {
            "about": self.about,
            "methods": self.methods,
            "domains": self.domains,
            "answer_tokens": self.answer_tokens,
            "arms": [{**asdict(condition), "arm": arm} for condition, arm in self.arms],
        }
        (folder / "study.json").write_text(_lines(text))

    def _trace(self, experts: NDArray[Any]) -> TokenTrace:
        """A document of each prompt and its answer."""
        prompts, tokens, layers, k = experts.shape
        return TokenTrace(
            experts=experts.reshape(prompts * tokens, layers, k).astype(np.uint16),
            weights=None,
            offsets=np.arange(prompts + 1, dtype=np.int64) * tokens,
            num_experts=self.arrays["losses"].shape[2],
            domains=self.domains,
        )


def _lines(text: dict[str, Any]) -> str:
    """JSON, one line for each part of `text` and each arm."""
    arms = ",\n".join(f"  {json.dumps(arm)}" for arm in text.pop("arms"))
    parts = "".join(f" {json.dumps(name)}: {json.dumps(part)},\n" for name, part in text.items())
    return f'{{\n{parts} "arms": [\n{arms}\n ]\n}}\n'


def load_record(folder: Path = SHIPPED) -> StudyRecord:
    """What `StudyRecord.save` wrote; default: what ships."""
    text = json.loads((folder / "study.json").read_text())
    with np.load(folder / "study.npz") as file:
        arrays = dict(file.items())
    trace = read_trace(folder / "routing.npz")
    experts, _ = trace.take(np.arange(trace.offsets[-1]))
    arrays["experts"] = experts.reshape(trace.documents, -1, *experts.shape[1:])
    arms = []
    for entry in text["arms"]:
        arm = entry.pop("arm")
        arms.append((StudyCondition(**entry), arm))
    return StudyRecord(
        arms, tuple(text["methods"]), tuple(text["domains"]), text["answer_tokens"], arrays, text["about"]
    )
