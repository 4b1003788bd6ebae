"""Which precisions one run may use, and what they cost in accuracy."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.experiment import Experiment
from moe_cosim.hw_models.formats import FP16, WeightFormat, find_format
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
    stands_for: str = ""
    """What the checkpoint is stored as and the formats are not; empty: they are, or the experiment chose others."""


def quantization_of(experiment: Experiment, model: Model, assumptions: Assumptions) -> Quantization:
    """The experiment's choice, resolved. Raises `InputError` for an unknown format or a bad loss table."""
    chosen = experiment.quantization
    return Quantization(
        expert_format=_format(experiment, "expert_format", model.checkpoint.experts),
        parts=_part_formats(experiment, model),
        average_bits=chosen.average_bits,
        allocation=chosen.allocation,
        losses=_losses(experiment, model, assumptions),
        stands_for=model.checkpoint.note if chosen.expert_format is None else "",
    )


def _part_formats(experiment: Experiment, model: Model) -> PartFormats:
    stored, dense = model.checkpoint, experiment.quantization.dense_format

    def dense_part(field: str, in_checkpoint: str | None) -> WeightFormat:
        chosen = getattr(experiment.quantization, field) is not None or dense is None
        return _format(experiment, field if chosen else "dense_format", in_checkpoint)

    head = _format(experiment, "head_format", stored.head)
    return PartFormats(
        dense_part("attention_format", stored.attention),
        dense_part("shared_format", stored.shared),
        head,
        head if model.tied_embeddings else _format(experiment, "embedding_format", stored.embedding),
        _format(experiment, "kv_format", stored.kv),
    )


def _format(experiment: Experiment, field: str, in_checkpoint: str | None) -> WeightFormat:
    """The experiment's choice, else the checkpoint's, else 16 bits."""
    name = getattr(experiment.quantization, field) or in_checkpoint or FP16.name
    return find_format(name, experiment.where, f"quantization.{field}")


def _losses(experiment: Experiment, model: Model, assumptions: Assumptions) -> LossTable:
    source = experiment.quantization.losses
    if source == "synthetic":
        shape = len(model.moe_layers), model.routed_experts, experiment.seed
        return _SYNTHETIC.get(shape, assumptions, lambda apart: (synthetic_losses(*shape, apart), {}))
    if not os.path.isfile(source):
        allowed = "'synthetic', or the path of a .npz or .csv loss table"
        raise InputError(experiment.where, "quantization.losses", source, allowed)
    return read_losses(Path(source), model)
