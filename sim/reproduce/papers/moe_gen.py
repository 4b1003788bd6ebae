"""MoE-Gen (arXiv 2503.09716) against model-based batching: Mixtral-8x7B on an A5000 with 512 GB of host memory.

Published: throughputs of tables 6 and 7 (configuration C2, prompts of 512 tokens) and 9 (32 sequences), read in the
paper's text as a machine took it from the PDF. MoE-Gen's batch is what the host's memory holds, which the paper says
without the number; the share of the CPU in (H) is where its appendix has it break even. Of the baselines' batch it says
that it goes through the whole model and that the module which takes the most memory bounds it, without the number, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, NamedTuple

from moe_cosim.sim.reproduce.base import Reproduction, Variant, registry
from moe_cosim.sim.reproduce.cell import Cell
from moe_cosim.sim.reproduce.copies import LINK_EFFICIENCIES, slower_copies
from moe_cosim.sim.reproduce.mean_step import decode_s, window
from moe_cosim.sim.reproduce.runs import Lookup, RunKey, key

PROMPT_TOKENS: Final = 512
CPU_SHARE: Final = 0.6
_NAME: Final = "moe-gen-mixtral-8x7b-a5000"
_BATCHES: Final = {256: 3840, 1024: 1920}
"""By output length: keys and values of 131,072 bytes a token beside the model's 93 GB in 480 of the 512 GB; the others
are for rows of prompts (16 GB) and the system. The paper says neither."""
_PUBLISHED: Final = {(256, "G"): 195.0, (256, "H"): 469.0, (1024, "G"): 93.0, (1024, "H"): 283.0}
_PREFILL: Final = 2790.0
_STEPS: Final = 2


class ModelBased(NamedTuple):
    """A system that takes one batch through the whole model; dicts are by output length."""

    experiment: str
    batches: dict[int, int]
    """The most sequences of which a pass fits the GPU's memory, as `policies/batched/room.py` counts it: rows of a
    layer's experts in the prefill, and two buffers of keys and values, of whole sequences where the GPU attends."""
    decode: dict[int, float]
    """Published tokens/s..."""
    prefill: float
    """...and those of prompts."""


MODEL_BASED: Final = {
    "DeepSpeed": ModelBased("moe-gen-deepspeed-mixtral-8x7b", {256: 90, 1024: 86}, {256: 27.0, 1024: 26.0}, 2621.0),
    "FlexGen": ModelBased("moe-gen-flexgen-mixtral-8x7b", {256: 91, 1024: 91}, {256: 33.0, 1024: 30.0}, 2199.0),
    "MoE-Lightning": ModelBased("moe-gen-lightning-mixtral-8x7b", {256: 91, 1024: 91}, {256: 89.0, 1024: 78.0}, 2237.0),
}
"""The last two attend on the CPU (5.1: they are beside (H)); the paper's are its authors' own implementations."""
_SMALL: Final = {"G": 33.6, "DeepSpeed": 7.7, "FlexGen": 5.2, "MoE-Lightning": 6.1}
"""Tokens/s in decode of table 9, which says how many sequences there are."""
_SMALL_BATCH: Final = 32
_SMALL_OUT: Final = 32
_IN_BLOCKS: Final = ("FlexGen", "MoE-Lightning")
"""Which use a layer's weights for several batches, one after the other (3), the paper does not say for how many."""
_BLOCK: Final = "batches that share a layer's weights"
_MOST_AT_THE_HOST: Final = 42
"""Of 91 sequences: 3822, as many as MoE-Gen's."""


@registry.register("moe-gen")
class MoeGenReproduction(Reproduction):
    """Two variants and three baselines at two output lengths."""

    title = "MoE-Gen (arXiv 2503.09716) against model-based batching, Mixtral-8x7B on an A5000"
    short: ClassVar[Mapping[str, Any]] = {"quick": True}
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "cpu_share": (0.4, 0.5, CPU_SHARE, 0.7, 0.8),
        "micro_batch": (32, 64, 128),
        "flexgen_block": (1, 2, 4, 8),
        "lightning_block": (1, 2, 4, 8),
        "link_efficiency": LINK_EFFICIENCIES,
    }
    cpu_share = CPU_SHARE
    """In (H)."""
    micro_batch = 64
    """Of its attention, not of the baselines."""
    flexgen_block = lightning_block = 1
    """Batches that share a layer's weights, of either system."""
    link_efficiency: float | None = None
    """That copies reach of the link; None: the machine's."""

    def runs(self) -> list[RunKey]:
        ours = [self._run(out, variant) for out, variant in _PUBLISHED]
        theirs = [self._run(out, name) for out in _BATCHES for name in MODEL_BASED]
        return [*ours, *theirs, *(self._small(system) for system in _SMALL)]

    def _run(self, out: int, system: str, block: int | None = None, **settings: Any) -> RunKey:
        """`system` is a variant of MoE-Gen's, or a baseline with so many of its batches in a `block`."""
        whole: dict[str, Any] = window(out, self._steps)
        if system in MODEL_BASED:
            name, batch = MODEL_BASED[system].experiment, MODEL_BASED[system].batches[out]
            own = {"FlexGen": self.flexgen_block, "MoE-Lightning": self.lightning_block}
            count = block or own.get(system, 1)
            whole |= {"workload.batch": count * batch, "policy.micro_batch": batch}
        else:
            name, share = _NAME, self.cpu_share if system == "H" else 0.0
            whole |= {
                "workload.batch": _BATCHES[out],
                "policy.micro_batch": self.micro_batch,
                "policy.cpu_share": share,
            }
        return key(name, {**whole, **slower_copies("gpu-host", self.link_efficiency), **settings})

    @property
    def _steps(self) -> int:
        return 1 if self.quick else _STEPS

    def _small(self, system: str) -> RunKey:
        at_once = {"workload.batch": _SMALL_BATCH, "policy.micro_batch": _SMALL_BATCH}
        return self._run(256, system, **at_once, **window(_SMALL_OUT, self._steps))

    def cells(self, lookup: Lookup) -> list[Cell]:
        def rate(out: int, system: str) -> float:
            return _decode_rate(self._run(out, system), lookup)

        rows = {(out, name): said for name, each in MODEL_BASED.items() for out, said in each.decode.items()}
        found = [
            Cell("decode, tokens/s", f"{_label(system)}, {out} out", published, rate(out, system))
            for (out, system), published in {**_PUBLISHED, **rows}.items()
        ]
        for out in _BATCHES:
            published = _PUBLISHED[out, "H"] / _PUBLISHED[out, "G"]
            found.append(Cell("decode, (H) over (G)", f"{out} out", published, rate(out, "H") / rate(out, "G")))
        for (out, variant), ours in _PUBLISHED.items():
            gain = rate(out, variant) / rate(out, "DeepSpeed")
            where = f"{_label(variant)}, {out} out"
            found.append(Cell("decode, over DeepSpeed", where, ours / rows[out, "DeepSpeed"], gain))
        gains = [(_PUBLISHED[out, "H"] / said, rate(out, "H") / rate(out, name)) for (out, name), said in rows.items()]
        for where, extreme in (("lowest", min), ("highest", max)):
            published, gain = (extreme(values) for values in zip(*gains, strict=True))
            found.append(Cell("decode, (H) over model-based batching", where, published, gain))
        figure = f"decode of {_SMALL_BATCH} sequences, tokens/s"
        found += [
            Cell(figure, _label(system), published, _decode_rate(self._small(system), lookup))
            for system, published in _SMALL.items()
        ]
        for system, published in {"H": _PREFILL, **{name: each.prefill for name, each in MODEL_BASED.items()}}.items():
            run = self._run(256, system)
            prompts = _sequences(run) * PROMPT_TOKENS / lookup(run).time_to_first_token_s
            found.append(Cell("prefill, tokens/s", "both" if system == "H" else system, published, prompts))
        return found

    def variants(self) -> list[Variant]:
        shares = [Variant("cpu_share", share, {"policy.cpu_share": share}) for share in (0.3, 0.9)]
        return [
            Variant("(default set)", "", {}),
            *shares,
            Variant("micro_batch", 32, {"policy.micro_batch": 32}),
            Variant.assuming("ddr4-3200-host-share", 0.6),
            *(Variant(_BLOCK, count, {}) for count in (2, 4, _MOST_AT_THE_HOST)),
        ]

    def variant_runs(self, variant: Variant) -> list[RunKey]:
        if variant.assumption == _BLOCK:
            return [self._run(256, name, variant.value) for name in _IN_BLOCKS]
        return [self._run(256, "H", **variant.settings)]

    def variant_cells(self, variant: Variant, lookup: Lookup) -> dict[str, float]:
        names = _IN_BLOCKS if variant.assumption == _BLOCK else [_label("H")]
        return {
            f"decode, tokens/s, {name}, 256 out": _decode_rate(run, lookup)
            for name, run in zip(names, self.variant_runs(variant), strict=True)
        }

    def notes(self) -> list[str]:
        return [
            f"{PROMPT_TOKENS} tokens in; {self._steps} decode steps in the middle are simulated.",
            f"{_BATCHES[256]} sequences of 256 out, {_BATCHES[1024]} of 1024: what 512 GB hold beside the model.",
            "Baselines: one batch, the largest of which a pass fits the GPU's memory. The published 8 to 31 times are "
            "DeepSeek-V2's; on Mixtral-8x7B the same tables have 3.6 to 17.4.",
        ]


def _label(system: str) -> str:
    return system if system in MODEL_BASED else f"({system})"


def _sequences(run: RunKey) -> int:
    return int(dict(run[1])["workload.batch"])


def _decode_rate(run: RunKey, lookup: Lookup) -> float:
    return _sequences(run) / decode_s(lookup(run))
