"""Context-aware MoE on a CXL GPU-NDP system (arXiv 2512.04476): its figures on both Mixtral models.

Published numbers: speed-ups over MoNDE and HOBBIT as stated by the paper; absolute tokens/s of
Mixtral-8x22B at 128 in / 2048 out as quoted by a third party. "Up to" and ranges are over length
pairs of which only 128/2048 is known; `LENGTHS` is this reproduction's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from moe_cosim.errors import RunError
from moe_cosim.sim.reproduce import mean_step
from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key
from moe_cosim.sim.results.result import Result

LENGTHS: Final = ((128, 256), (128, 512), (128, 1024), (128, 2048), (512, 512))
"""(prompt, output) tokens; 128/2048 is the published pair."""
_OTHER_LENGTHS: Final = (
    ((128, 512), (128, 1024), (128, 2048)),
    ((128, 128), (128, 512), (128, 2048)),
    ((64, 1024), (128, 2048), (256, 1024)),
    ((128, 2048), (512, 2048), (1024, 1024)),
)
"""What else the paper may have had beside its one pair."""
_QUICK_LENGTHS: Final = ((128, 64),)
_VARIANT_LENGTHS: Final = (128, 256)

_MODELS: Final = ("mixtral-8x7b", "mixtral-8x22b")
_BITS: Final = (3, 2)

_DECODE: Final = {
    ("mixtral-8x7b", 3): 8.7,
    ("mixtral-8x7b", 2): 11.2,
    ("mixtral-8x22b", 3): 8.9,
    ("mixtral-8x22b", 2): 11.5,
}
_END_TO_END: Final = {
    ("mixtral-8x7b", 3): (6.6, 8.3),
    ("mixtral-8x7b", 2): (7.9, 10.6),
    ("mixtral-8x22b", 3): (7.6, 8.7),
    ("mixtral-8x22b", 2): (9.5, 11.2),
}
_NDP_CUT: Final = {3: 5.0, 2: 8.0}
_HOBBIT: Final = {"mixtral-8x7b": 18.0, "mixtral-8x22b": 19.0}
_TOKENS_PER_S: Final = {"monde": 1.714, "cxl-ndp-3bit": 15.321, "cxl-ndp-2bit": 19.795}


def _experiment(system: str, model: str) -> str:
    """Name of the shipped experiment: ``monde``, ``hobbit`` or ``cxl-ndp-<b>bit``."""
    if system.startswith("cxl-ndp-"):
        return f"cxl-ndp-{model}-{system.removeprefix('cxl-ndp-')}"
    return f"{system}-{model}"


@registry.register("cxl-ndp")
class CxlNdpReproduction(Reproduction):
    """Four systems on two models over five length pairs."""

    title = "context-aware MoE on CXL GPU-NDP (arXiv 2512.04476) against MoNDE and HOBBIT"
    cost_model = "policy"
    short: ClassVar[Mapping[str, Any]] = {"steps": 16}
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {"lengths": (LENGTHS, *_OTHER_LENGTHS), "batch": (1, 2, 4)}
    systems = ("monde", "hobbit", "cxl-ndp-3bit", "cxl-ndp-2bit")
    batch = 1
    steps: int | None = None
    """Decode steps simulated, at the beginning of an output; None: all."""

    def __init__(self, quick: bool) -> None:
        super().__init__(quick)
        self.lengths = _QUICK_LENGTHS if quick else LENGTHS

    def runs(self) -> list[RunKey]:
        return [
            self._run(system, model, lengths)
            for model in _MODELS
            for system in self.systems
            for lengths in self.lengths
        ]

    def _run(self, system: str, model: str, lengths: tuple[int, int], **settings: object) -> RunKey:
        prompt, output = lengths
        size = {"workload.prompt_tokens": prompt, "workload.output_tokens": output}
        if self.steps is not None and self.steps < output - 1:
            size["workload.output_tokens"] = self.steps + 1  # whatever the output: a step is nearly as long at its end
        if self.batch > 1:
            size["workload.batch"] = self.batch
        return key(_experiment(system, model), {**size, **settings})

    def cells(self, lookup: Lookup) -> list[Cell]:
        return [
            *self._decode_cells(lookup),
            *self._end_to_end_cells(lookup),
            *self._ndp_cells(lookup),
            *self._hobbit_cells(lookup),
            *self._absolute_cells(lookup),
        ]

    def _decode_cells(self, lookup: Lookup) -> list[Cell]:
        return [
            Cell(
                "decode speed-up over MoNDE, best case",
                f"{model} {bits}-bit",
                published,
                max(self._gains(lookup, model, f"cxl-ndp-{bits}bit", "monde", decode_rate)),
            )
            for (model, bits), published in _DECODE.items()
        ]

    def _end_to_end_cells(self, lookup: Lookup) -> list[Cell]:
        found = []
        for (model, bits), (lowest, highest) in _END_TO_END.items():
            gains = self._gains(lookup, model, f"cxl-ndp-{bits}bit", "monde", end_to_end_rate)
            figure = "end-to-end speed-up over MoNDE"
            found.append(Cell(f"{figure}, lowest", f"{model} {bits}-bit", lowest, min(gains)))
            found.append(Cell(f"{figure}, highest", f"{model} {bits}-bit", highest, max(gains)))
        return found

    def _ndp_cells(self, lookup: Lookup) -> list[Cell]:
        return [
            Cell(
                "NDP time per expert, 16 bits over b bits",
                f"{model} {bits}-bit",
                published,
                max(self._gains(lookup, model, f"cxl-ndp-{bits}bit", "monde", near_data_rate)),
            )
            for model in _MODELS
            for bits, published in _NDP_CUT.items()
        ]

    def _hobbit_cells(self, lookup: Lookup) -> list[Cell]:
        found = []
        for model, published in _HOBBIT.items():
            best = max(
                gain
                for rate in (decode_rate, end_to_end_rate)
                for gain in self._gains(lookup, model, "cxl-ndp-2bit", "hobbit", rate)
            )
            found.append(Cell("speed-up over HOBBIT, up to", f"{model} 2-bit", published, best))
        return found

    def _absolute_cells(self, lookup: Lookup) -> list[Cell]:
        lengths = self.lengths[-1] if self.quick else (128, 2048)
        return [
            Cell(
                "decode tokens/s, 128 in / 2048 out",
                f"mixtral-8x22b {system}",
                published,
                decode_rate(lookup(self._run(system, "mixtral-8x22b", lengths))),
            )
            for system, published in _TOKENS_PER_S.items()
        ]

    def _gains(
        self, lookup: Lookup, model: str, system: str, baseline: str, rate: Callable[[Result, int], float]
    ) -> list[float]:
        """Per length pair: the system's rate over the baseline's."""
        return [
            rate(lookup(self._run(system, model, (prompt, output))), output)
            / rate(lookup(self._run(baseline, model, (prompt, output))), output)
            for prompt, output in self.lengths
        ]

    # -- what it hangs on -------------------------------------------------------------------

    def variants(self) -> list[Variant]:
        return [
            Variant("(default set)", "", {}),
            Variant.assuming("monde-migration", "ceil-unless-resident"),
            Variant.assuming("monde-migration", "floor"),
            Variant.assuming("cxl-link-rate", "32 GB/s"),
            Variant.assuming("cxl-link-efficiency", 0.46),
            Variant.assuming("host-link-rate", "32 GB/s"),
            Variant.assuming("host-link-rate", "25.9 GB/s"),
            Variant.assuming("ndp-array-dataflow", "output-stationary"),
            Variant.assuming("ndp-array-dataflow", "ideal"),
            Variant.assuming("ndp-bit-scaling", "none"),
            Variant.assuming("ndp-dram-efficiency", 0.35),
            Variant.assuming("host-overhead-per-layer", "0 ns"),
            Variant.assuming("host-overhead-per-layer", "400 us"),
            Variant.assuming("hobbit-gpu-memory", "16 GB"),
            Variant.assuming("hobbit-gpu-memory", "80 GB"),
            Variant.assuming("hobbit-prefetch-accuracy", 0.5),
            Variant("batch", 4, {"workload.batch": 4}),
            Variant("routing seed", 1, {"seed": 1}),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        return [self._variant_run(variant, system, model) for model in _MODELS for system in self.systems]

    def _variant_run(self, variant: Variant, system: str, model: str) -> RunKey:
        settings = {
            name: value
            for name, value in variant.settings.items()
            if _applies(name.removeprefix("assumptions."), system)
        }
        return self._run(system, model, _QUICK_LENGTHS[0] if self.quick else _VARIANT_LENGTHS, **settings)

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        found = {}
        for model in _MODELS:
            rates = {s: decode_rate(lookup(self._variant_run(variant, s, model))) for s in self.systems}
            for bits in _BITS:
                found[f"{model} {bits}-bit over MoNDE"] = rates[f"cxl-ndp-{bits}bit"] / rates["monde"]
            found[f"{model} 2-bit over HOBBIT"] = rates["cxl-ndp-2bit"] / rates["hobbit"]
        return found

    def notes(self) -> list[str]:
        prompt, output = _QUICK_LENGTHS[0] if self.quick else _VARIANT_LENGTHS
        lengths = ", ".join(f"{a}/{b}" for a, b in self.lengths)
        return [
            f"Lengths (prompt/output): {lengths}. The paper names 128/2048 only; the others are our choice.",
            f"Sensitivity: decode speed-ups at {prompt}/{output}, one assumption changed at a time.",
            "Accuracy on tasks is not simulated: it needs the models themselves.",
        ]


def decode_rate(result: Result, _: int = 0) -> float:
    """Tokens per second of the decode steps."""
    assert result.decode_tokens_per_s is not None  # every pair decodes
    return result.decode_tokens_per_s


def end_to_end_rate(result: Result, output_tokens: int) -> float:
    """Whole outputs of `output_tokens` per second."""
    return 1 / mean_step.end_to_end_s(result, output_tokens)


def near_data_rate(result: Result, _: int = 0) -> float:
    """Expert kernels per second of the NDP's busy time. Raises `RunError` where MoNDE moves all to the GPU."""
    if result.near_data_busy_per_expert_s is None:
        raise RunError("cxl-ndp: no expert ran near the data, and nothing is to be compared")
    return 1 / result.near_data_busy_per_expert_s


def _applies(assumption: str, system: str) -> bool:
    """Whether a system's experiment makes this assumption: HOBBIT's machine has no NDP, and so on."""
    if assumption.startswith(("cxl-", "ndp-")):
        return system != "hobbit"
    if assumption.startswith(("hobbit-", "host-link-")):
        return system == "hobbit"
    if assumption.startswith("monde-"):
        return system == "monde"
    return True
