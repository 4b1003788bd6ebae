"""Served language models: inter-token latency, throughput, power and energy of a steady batch on one GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Final, TypeVar

from moe_cosim.assumptions import Assumption
from moe_cosim.errors import MoeCosimError
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.sim.reproduce.runs import RunKey, key
from moe_cosim.sim.results.result import Result
from moe_cosim.sim.validate.compared import ComparedRow, Refused, bucket
from moe_cosim.sim.validate.csv_rows import CsvRow
from moe_cosim.sim.validate.kind import Choices, Comparison, NoPredictionError
from moe_cosim.sim.validate.names.gpus import find_gpu
from moe_cosim.sim.validate.names.models import find_served_model
from moe_cosim.sim.validate.names.precisions import find_precision
from moe_cosim.sim.validate.runs import run_some
from moe_cosim.workloads.models.model import Model

T = TypeVar("T")

ITL: Final = "median_itl_ms"
THROUGHPUT: Final = "output_throughput_tokens_per_sec"
WATTS: Final = "avg_power_watts"
JOULES: Final = "energy_per_token_joules"
ENERGY_FITTED: Final = "energy_fitted"
"""Whether the row's watts served to fit, as `fitted` says of its times."""
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
    "routing",
    WATTS,
    JOULES,
    ENERGY_FITTED,
    # not looked at
    "max_num_seqs",
    "p99_itl_ms",
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
_CHUNK_TOKENS: Final = 8192
"""Prompt tokens that a server computes together (vLLM's default, max_num_batched_tokens): what prefill costs in a
server that never waits for it."""
_FAMILIES: Final = {"mixtral": "mixtral-8x7b", "gpt-oss": "gpt-oss-20b"}
"""Presets by the first word of a model's name. That of Qwen3-30B is left out: it is extrapolated from templated
prompts, which use fewer experts than what servers are asked."""
_ONLY_EXPERTS: Final = ("mxfp4",)
"""Formats that checkpoints have for experts while the rest stays at 16 bits (gpt-oss)."""


def compare(rows: Sequence[CsvRow], choices: Choices) -> Comparison:
    """Raises `InputError` for numbers that are none; what one GPU cannot hold or the catalogue lacks is refused."""
    refused: list[Refused] = []
    wanted: list[_Served] = []
    for row in rows:
        try:
            served = _Served(row)
        except NoPredictionError as why:
            refused.append(Refused("llm", row, str(why)))
        else:
            wanted.append(served)
    found = run_some([run_key for served in wanted for run_key in served.runs], choices)
    compared: list[ComparedRow] = []
    for served in wanted:
        decode, prefill = (found[run_key] for run_key in served.runs)
        if isinstance(decode, MoeCosimError) or isinstance(prefill, MoeCosimError):
            failed = decode if isinstance(decode, MoeCosimError) else prefill
            refused.append(Refused("llm", served.row, str(failed)))
        else:
            compared += served.compared(decode, prefill)
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

    @property
    def runs(self) -> tuple[RunKey, RunKey]:
        """Decode steps of the whole batch, and a prefill of as many prompts as are computed together."""
        alike = {
            "machine.set.devices.gpu.device": self.gpu.name,
            "model": self.model.name,
            "routing.preset": self.row.text("routing") or _preset_of(self.model),
            **_precisions(self.weights),
            **({"software": self.row.text("software")} if self.row.text("software") else {}),
        }
        behind = self.prompt_tokens + round(self.output_tokens / 2) - _STEPS // 2
        decode = {
            "workload.batch": self.batch,
            "workload.prompt_tokens": 1,
            "workload.output_tokens": _STEPS + 1,
            "workload.skipped_tokens": behind - 1,
        }
        prefill = {
            "workload.batch": min(self.batch, max(1, _CHUNK_TOKENS // self.prompt_tokens)),
            "workload.prompt_tokens": self.prompt_tokens,
            "workload.output_tokens": 1,
        }
        return key(_BASE, alike | decode), key(_BASE, alike | prefill)

    def compared(self, decode: Result, prefill: Result) -> list[ComparedRow]:
        """Latency and throughput.

        A token takes a step's time. In a steady batch every sequence has its prompt computed once in its life, which
        the throughput pays for and the median step does not.
        """
        step_s = decode.decode_s / decode.decode_steps
        prompts = dict(self.runs[1][1])["workload.batch"]
        lives_s = self.output_tokens * step_s + self.batch * prefill.time_to_first_token_s / prompts
        row = self.row
        groups = {
            "device": self.gpu.name,
            "model": row.text("model_id"),
            "dtype": row.text("weight_precision"),
            "tokens": bucket(self.batch),
            "task": row.text("task") or "not said",
        }
        what = f"{row.text('model_id')}, {self.gpu.name}, batch {self.batch}"
        lives_j = self.output_tokens * step_s * _gpu_watts(decode)
        lives_j += self.batch * prefill.time_to_first_token_s * _gpu_watts(prefill) / prompts
        watts, joules = lives_j / lives_s, lives_j / (self.batch * self.output_tokens)
        found = [(ITL, "ms", step_s * 1e3, self.itl_ms)]
        found.append((THROUGHPUT, "tokens/s", self.batch * self.output_tokens / lives_s, self.throughput))
        energies: list[tuple[str, str, float, float]] = []
        more = {"predicted_watts": watts, "predicted_joules_per_token": joules}
        if row.text(WATTS):
            energies.append((WATTS, "W", watts, row.positive(WATTS)))
            more["measured_watts"] = row.positive(WATTS)
        if row.text(JOULES):
            energies.append((JOULES, "J", joules, row.positive(JOULES)))
            more["measured_joules_per_token"] = row.positive(JOULES)
        compared = [ComparedRow("llm", row, what, *figures, groups, more=more) for figures in found]
        fitted = row.truth(ENERGY_FITTED)
        energy = [ComparedRow("llm", row, what, *each, groups, more=more, fitted_apart=fitted) for each in energies]
        return compared + energy


def _gpu_watts(result: Result) -> float:
    """In decode, or in a run that has none of it, of the GPU's own device, which is what its counter sees: all but the
    rest, which does nothing."""
    assert result.energy is not None  # of a run that was made now
    watts = result.energy.decode_mean_w
    rest = sum(row.mean_w for row in result.energy_components if not row.component.startswith("gpu."))
    return (result.energy.mean_w if watts is None else watts) - rest


def _known(find: Callable[[str], T | None], row: CsvRow, column: str, what: str) -> T:
    found = find(row.text(column))
    if not found:
        raise NoPredictionError(f"no {what} is {row.text(column)!r}")
    return found


def _precisions(weights: WeightFormat) -> dict[str, str]:
    """Of every part. The head stays at 16 bits in all published checkpoints."""
    dense = "bf16" if weights.name in _ONLY_EXPERTS else weights.name
    return {"quantization.expert_format": weights.name, "quantization.dense_format": dense}


def _preset_of(model: Model) -> str:
    """The routing fitted to the model's family, or else to the one mixed trace of a model with many small experts."""
    return next((preset for family, preset in _FAMILIES.items() if model.name.startswith(family)), "deepseek-v2-lite")
