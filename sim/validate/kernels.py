"""Fused expert kernels: the time that the catalogue's GPU predicts beside the one measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.alone import time_alone_ps
from moe_cosim.hw_models.build import build_device
from moe_cosim.hw_models.formats import WeightFormat
from moe_cosim.hw_models.machine import Machine
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.hw_models.units.fused_moe import dealt
from moe_cosim.sim.validate.compared import ComparedRow, Refused, bucket
from moe_cosim.sim.validate.csv_rows import CsvRow
from moe_cosim.sim.validate.kind import Choices, Comparison, NoPredictionError
from moe_cosim.sim.validate.names.gpus import find_gpu
from moe_cosim.sim.validate.names.precisions import find_precision
from moe_cosim.workloads.layout import ACTIVATION_BYTES
from moe_cosim.workloads.lowering.scene import model_of

REQUIRED: Final = ("device", "dtype", "experts", "top_k", "hidden", "inter_per_shard", "tokens", "time_us")
OPTIONAL: Final = (
    "model_shape",
    "kernel",
    "framework",
    "expected_distinct_experts_uniform",
    # derived from the others, and not looked at
    "mean_tokens_per_expert",
    "weight_MB_touched",
    "effective_GBps",
    "TFLOPS",
)
_MEASURED: Final = "-measured"
"""Ends the names of devices whose kernels are those of measured tables."""

_PS_PER_US: Final = 1e6


def compare(rows: Sequence[CsvRow], choices: Choices) -> Comparison:
    """Raises `InputError` for numbers that are none, and for an unknown fit."""
    if choices.fit:
        catalog.find(choices.fit, "kernel-fit", "command line", "--fit")
    compared: list[ComparedRow] = []
    refused: list[Refused] = []
    for row in rows:
        measured = row.positive("time_us")
        tokens = row.count("tokens")
        try:
            layer = _Layer(row, tokens)
            device, predicted_ps, notes = _predicted(row, layer, choices)
        except NoPredictionError as why:
            refused.append(Refused("kernels", row, str(why)))
            continue
        shape = row.text("model_shape") or f"{layer.experts} experts, {layer.shape.hidden} x {layer.shape.intermediate}"
        groups = {
            "device": device,
            "model": shape,
            "dtype": row.text("dtype"),
            "tokens": bucket(tokens),
            "framework": row.text("framework") or "not said",
            "kernel": row.text("kernel") or "not said",
        }
        what = f"{device}, {shape}, {row.text('dtype')}, {tokens} tokens"
        compared.append(
            ComparedRow("kernels", row, what, "time", "us", predicted_ps / _PS_PER_US, measured, groups, notes)
        )
    return compared, refused


class _Layer:
    """One layer's routed experts as a row gives them. Raises `InputError`, and `NoPredictionError` for a shape that
    cannot be."""

    def __init__(self, row: CsvRow, tokens: int) -> None:
        self.experts, top_k = row.count("experts"), row.count("top_k")
        if top_k > self.experts:
            raise NoPredictionError(f"top_k {top_k} of {self.experts} experts")
        self.shape = ExpertShape(row.count("hidden"), row.count("inter_per_shard"))
        self.runs = tokens * top_k
        """Tokens of all experts together."""
        if row.text("expected_distinct_experts_uniform"):
            self.active = row.positive("expected_distinct_experts_uniform")
        else:
            self.active = self.experts * (1 - (1 - top_k / self.experts) ** tokens)

    def tokens_per_expert(self) -> NDArray[np.int64]:
        """Dealt evenly over the experts that have any: with uniform routing as many as expected."""
        return dealt(self.runs, max(1, min(round(self.active), self.experts, self.runs)))


def _predicted(row: CsvRow, layer: _Layer, choices: Choices) -> tuple[str, int, tuple[str, ...]]:
    """(device, ps, what is to be said of it)."""
    gpu = find_gpu(row.text("device"))
    if gpu is None:
        raise NoPredictionError(f"no GPU of the catalogue is {row.text('device')!r}")
    weights = find_precision(row.text("dtype"))
    if weights is None:
        raise NoPredictionError(f"no weight format of the catalogue is {row.text('dtype')!r}")
    try:
        machine = _machine(gpu.name, choices.model, choices.fit)
        beyond = model_of(machine.main_unit).beyond_measurements(layer.shape, weights)
        notes = () if beyond is None else (f"{beyond.value}: {beyond.source}",)
        return gpu.name, layer_ps(machine, layer.tokens_per_expert(), layer.shape, weights), notes
    except InputError as error:
        raise NoPredictionError(str(error)) from None


def layer_ps(machine: Machine, tokens: NDArray[np.int64], shape: ExpertShape, weights: WeightFormat) -> int:
    """Time of one fused kernel over experts with these `tokens` [experts] on the machine's GPU, alone.

    As an engine has it: a launch, then the longer of the kernel and its traffic (weights, and activations in and out),
    which waits for the memory once.
    """
    unit = machine.main_unit
    model = model_of(unit)
    nothing = np.zeros(len(tokens), np.int64)
    busy_ps = int(model.experts_ps(tokens, nothing, shape, (weights,), nothing).sum())
    rows_bytes = int(tokens.sum()) * shape.hidden * ACTIVATION_BYTES
    reads = {unit.local_memory: len(tokens) * weights.expert_bytes(shape) + rows_bytes}
    return time_alone_ps(
        machine, unit.name, reads, busy_ps, model.expert_launch_ps, writes={unit.local_memory: rows_bytes}
    )


@lru_cache(maxsize=256)
def _machine(device: str, model: str, fit: str) -> Machine:
    """Of a device of the catalogue alone, its GPU with another unit model or fit where they are named.

    Raises `InputError` where there is no such device.
    """
    name = f"{device}{_MEASURED}" if model == "measured" and not device.endswith(_MEASURED) else device
    path = catalog.find(name, "device", "command line", "--model")
    tree = catalog.read(path, "device")
    if model or fit:
        tree["units"] = {each: _with_model(unit, model, fit) for each, unit in tree["units"].items()}
    return build_device(tree, path, Assumptions())


def _with_model(unit: Mapping[str, Any], model: str, fit: str) -> Mapping[str, Any]:
    if unit["kind"] != "gpu":
        return unit
    described = {**unit["model"], **({"fit": fit} if fit else {})}
    if model == "tile":
        described["kind"] = "tile-gpu"
        described.pop("tables", None)
    return {**unit, "model": described}
