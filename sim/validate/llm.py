"""Served language models: inter-token latency and throughput of a steady batch on one GPU."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeVar

from moe_cosim.assumptions import Assumption
from moe_cosim.errors import MoeCosimError
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.sim.reproduce.runs import RunKey, key
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.validate.compared import ComparedRow, Refused, bucket
from moe_cosim.sim.validate.csv_rows import CsvRow
from moe_cosim.sim.validate.gpus import find_gpu
from moe_cosim.sim.validate.kind import Choices, Comparison, NoPredictionError
from moe_cosim.sim.validate.precisions import find_precision
from moe_cosim.sim.validate.runs import run_some
from moe_cosim.workloads.models.find import find_model, model_names
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.routing.latent import load_preset, preset_names

T = TypeVar("T")

ITL: Final = "median_itl_ms"
THROUGHPUT: Final = "output_throughput_tokens_per_sec"
REQUIRED: Final = (
    "model_id",
    "gpu_model",
    "num_gpus",
    "weight_precision",
    "avg_batch_size",
    "avg_output_len",
    ITL,
    THROUGHPUT,
)
OPTIONAL: Final = (
    "task",
    "prompt_tokens",
    "software",
    # not looked at
    "max_num_seqs",
    "p99_itl_ms",
    "avg_power_watts",
    "energy_per_token_joules",
)

PROMPT_TOKENS: Final = Assumption(
    "llm-prompt-tokens",
    300,
    (50, 2000),
    "mean length of a prompt where a row does not say `prompt_tokens`; chats (lm-arena-chat) and GPQA's questions "
    "have a few hundred tokens",
)

_STEPS: Final = 8
"""Decode steps that are run, around the middle of the answers."""
_ONLY_EXPERTS: Final = ("mxfp4",)
"""Formats that checkpoints have for experts while the rest stays at 16 bits (gpt-oss)."""
_SAYS_NOTHING: Final = re.compile(
    r"instruct|chat|base|thinking|it|hf|preview|bf16|fp8|nvfp4|fp4|int4|awq|gptq|\d{4}|v0(\.\d+)+"
)
"""Words of a model's id that say nothing about its shape; dates and first versions too (2507, v0.1)."""


def compare(rows: Sequence[CsvRow], choices: Choices) -> Comparison:
    """Raises `InputError` for numbers that are none; what one GPU cannot hold or the catalogue lacks is refused."""
    refused: list[Refused] = []
    wanted: list[tuple[_Served, RunKey]] = []
    for row in rows:
        try:
            served = _Served(row)
        except NoPredictionError as why:
            refused.append(Refused("llm", row, str(why)))
        else:
            wanted.append((served, key(_BASE, served.settings())))
    found = run_some([run_key for _, run_key in wanted], choices)
    compared: list[ComparedRow] = []
    for served, run_key in wanted:
        outcome = found[run_key]
        if isinstance(outcome, MoeCosimError):
            refused.append(Refused("llm", served.row, str(outcome)))
        else:
            compared += served.compared(outcome)
    return compared, refused


_BASE: Final = str(files("moe_cosim.sim.validate") / "data" / "llm-run.yaml")


class _Served:
    """A row, read. Raises `InputError`, and `NoPredictionError` where something is not in the catalogue."""

    def __init__(self, row: CsvRow) -> None:
        self.row = row
        gpus = row.count("num_gpus")
        self.batch = max(1, round(row.positive("avg_batch_size")))
        self.output_tokens = row.positive("avg_output_len")
        self.itl_ms, self.throughput = row.positive(ITL), row.positive(THROUGHPUT)
        self.prompt_tokens = row.count("prompt_tokens") if row.text("prompt_tokens") else int(PROMPT_TOKENS.number())
        if gpus != 1:
            raise NoPredictionError(f"{gpus} GPUs; only one is modelled")
        self.gpu = _known(find_gpu, row, "gpu_model", "GPU of the catalogue")
        self.model = _known(find_served_model, row, "model_id", "model of the catalogue")
        self.weights = _known(find_precision, row, "weight_precision", "weight format of the catalogue")

    def settings(self) -> dict[str, Any]:
        return {
            "machine.set.devices.gpu.device": self.gpu.name,
            "model": self.model.name,
            "routing.preset": _preset_of(self.model),
            "workload.batch": self.batch,
            "workload.prompt_tokens": self.prompt_tokens,
            "workload.output_tokens": _STEPS + 1,
            "workload.skipped_tokens": max(0, round(self.output_tokens / 2) - _STEPS // 2),
            **_precisions(self.weights),
            **({"software": self.row.text("software")} if self.row.text("software") else {}),
        }

    def compared(self, result: Result) -> list[ComparedRow]:
        """Latency and throughput.

        A token takes a step's time. In a steady batch every sequence has its prompt computed once in its life, which
        the throughput pays for and the median step does not.
        """
        step_s = result.decode_s / result.decode_steps
        lives_s = self.output_tokens * step_s + result.time_to_first_token_s
        row = self.row
        groups = {
            "device": self.gpu.name,
            "model": row.text("model_id"),
            "dtype": row.text("weight_precision"),
            "tokens": bucket(self.batch),
            "task": row.text("task") or "not said",
        }
        what = f"{row.text('model_id')}, {self.gpu.name}, batch {self.batch}"
        found = [(ITL, "ms", step_s * 1e3, self.itl_ms)]
        found.append((THROUGHPUT, "tokens/s", self.batch * self.output_tokens / lives_s, self.throughput))
        return [ComparedRow("llm", row, what, *figures, groups) for figures in found]


def _known(find: Callable[[str], T | None], row: CsvRow, column: str, what: str) -> T:
    found = find(row.text(column))
    if not found:
        raise NoPredictionError(f"no {what} is {row.text(column)!r}")
    return found


def find_served_model(model_id: str) -> Model | None:
    """The catalogue's model of that Hugging Face id or name, whatever it was tuned for or packed in."""
    return _models().get(_shape_name(model_id))


@cache
def _models() -> dict[tuple[str, ...], Model]:
    found: dict[tuple[str, ...], Model] = {}
    for name in model_names():
        model = find_model(name)
        found.setdefault(_shape_name(model.hf_id), model)
        found.setdefault(_shape_name(name), model)
    return found


def _shape_name(model_id: str) -> tuple[str, ...]:
    words = re.findall(r"[a-z0-9.]+", model_id.rpartition("/")[2].lower())
    return tuple(word for word in words if not _SAYS_NOTHING.fullmatch(word))


def _precisions(weights: WeightFormat) -> dict[str, str]:
    """Of every part. The head stays at 16 bits in all published checkpoints."""
    dense = "bf16" if weights.name in _ONLY_EXPERTS else weights.name
    return {"quantization.expert_format": weights.name, "quantization.dense_format": dense}


@cache
def _preset_of(model: Model) -> str:
    """The routing fitted to that model, or else to one of the same shape, or else the one fitted to gpt-oss-20b."""
    presets = {name: load_preset(name) for name in preset_names()}
    for name, preset in presets.items():
        if (preset.experts, preset.top_k) == (model.routed_experts, model.top_k):
            return name
    return "gpt-oss-20b"
