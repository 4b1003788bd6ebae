"""Which precisions one run may use, and what they cost in accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.formats import WeightFormat, find_format
from moe_cosim.remembered import Remembered
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.quantization.losses import LossTable, read_losses, synthetic_losses

_SYNTHETIC: Final[Remembered[LossTable]] = Remembered(4)


class PartFormats(NamedTuple):
    """How everything but the routed experts is stored. Routers stay at 16 bits."""

    attention: WeightFormat
    """The projections."""
    shared: WeightFormat
    """Shared experts, and the feed-forward layers that have no routed ones."""
    head: WeightFormat
    embedding: WeightFormat
    kv: WeightFormat
    """Keys and values."""


@dataclass(frozen=True)
class Quantization:
    """The formats of a run."""

    expert_format: WeightFormat
    """Full-precision copies of the experts."""
    parts: PartFormats
    average_bits: float | None
    """Budget of policies that mix widths over the experts outside the GPU."""
    allocation: str
    losses: LossTable
    """[MoE layers, experts, bits]."""


def quantization_of(experiment: Experiment, model: Model, assumptions: Assumptions) -> Quantization:
    """The experiment's choice, resolved. Raises `InputError` for an unknown format or a bad loss table."""
    chosen, where = experiment.quantization, experiment.where
    return Quantization(
        expert_format=find_format(chosen.expert_format, where, "quantization.expert_format"),
        parts=_part_formats(experiment, model),
        average_bits=chosen.average_bits,
        allocation=chosen.allocation,
        losses=_losses(experiment, model, assumptions),
    )


def _part_formats(experiment: Experiment, model: Model) -> PartFormats:
    chosen = experiment.quantization

    def of(part: str) -> WeightFormat:
        field = part if getattr(chosen, part) is not None else "dense_format"
        return find_format(getattr(chosen, field), experiment.where, f"quantization.{field}")

    embedding = "head_format" if model.tied_embeddings else "embedding_format"
    return PartFormats(of("attention_format"), of("shared_format"), of("head_format"), of(embedding), of("kv_format"))


def _losses(experiment: Experiment, model: Model, assumptions: Assumptions) -> LossTable:
    source = experiment.quantization.losses
    if source == "synthetic":
        shape = len(model.moe_layers), model.routed_experts, experiment.seed
        return _SYNTHETIC.get(shape, assumptions, lambda apart: (synthetic_losses(*shape, apart), {}))
    if not Path(source).is_file():
        allowed = "'synthetic', or the path of a .npz or .csv loss table"
        raise InputError(experiment.where, "quantization.losses", source, allowed)
    return read_losses(Path(source), model)
