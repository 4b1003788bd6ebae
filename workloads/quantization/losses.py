"""What quantizing an expert costs in accuracy: the loss per layer, expert and bit width."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.assumptions import Assumption, Assumptions
from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.plain_file import read_plain
from moe_cosim.workloads.array_archive import read_npz
from moe_cosim.workloads.models.model import Model

BITS: Final = (1, 2, 3, 4)
"""The widths among which experts' replicas are chosen (arXiv 2512.04476)."""

SENSITIVITY_SPREAD: Final = Assumption(
    "loss-sensitivity-spread",
    0.5,
    (0.0, 2.0),
    "standard deviation of the logarithm of experts' sensitivity within a layer; nobody publishes the table. "
    "0.5 puts two thirds of the experts within a factor of 1.65 of the median; 0 makes them alike",
)
_SAID: Final = ("model", "architecture", "method")
"""What a table of ``moe-cosim quantize`` says of itself."""
LAYER_GROWTH: Final = Assumption(
    "loss-layer-growth",
    10.0,
    (1.0, 1000.0),
    "median loss of the last MoE layer over the first's; not published. Activations grow along the residual "
    "stream, and with them the squared error. Allocation within a layer does not depend on it",
)
SCALE: Final = Assumption(
    "loss-scale",
    1.0,
    (1e-6, 1e6),
    "median loss of the first MoE layer at 0 bits: an arbitrary unit that no decision depends on",
)


@dataclass(frozen=True, eq=False)
class LossTable:
    """Mean squared error of each expert's output at each width.

    `layers` counts MoE layers only, in the model's order.
    """

    bits: tuple[int, ...]
    """Increasing."""
    loss: NDArray[np.float64]
    """[layers, experts, len(bits)]; finite, not negative, never rising with more bits."""
    origin: str = "given"
    """Where it is from, as a result says it."""
    delta: NDArray[np.float64] | None = None
    """[layers, experts, len(bits)]: by how much each token routed there raises the model's loss, in nats; None unless
    it was measured on this very model."""

    def validate(self, where: object) -> LossTable:
        """This table; raises `InputError` for one that no quantizer could have measured."""
        if not self.bits or list(self.bits) != sorted(set(self.bits)) or self.bits[0] < 1:
            raise InputError(where, "bits", list(self.bits), "increasing widths of at least 1 bit")
        if self.loss.ndim != 3 or self.loss.shape[2] != len(self.bits):
            shape = f"an array {list(self.loss.shape)}"
            raise InputError(where, "loss", Plain(shape), f"[layers, experts, {len(self.bits)} bit widths]")
        self._refuse(where, ~np.isfinite(self.loss), "a finite loss")
        self._refuse(where, self.loss < 0, "a loss of at least 0")
        rises = np.zeros(self.loss.shape, dtype=bool)
        rises[:, :, 1:] = np.diff(self.loss, axis=2) > 0
        self._refuse(where, rises, "at most the loss with fewer bits")
        return self

    def of_layer(self, layer: int, bits: tuple[int, ...] = BITS, where: object = "losses") -> NDArray[np.float64]:
        """[experts, len(bits)] losses of one MoE layer at exactly these widths. Raises `InputError` where the table
        lacks a width.
        """
        missing = [width for width in bits if width not in self.bits]
        if missing:
            raise InputError(where, "bits", list(self.bits), f"a table that has {', '.join(map(str, bits))} bits")
        columns = [self.bits.index(width) for width in bits]
        return np.take(self.loss[layer], columns, axis=1)

    def _refuse(self, where: object, wrong: NDArray[np.bool_], allowed: str) -> None:
        if wrong.any():
            layer, expert, column = (int(i) for i in np.argwhere(wrong)[0])
            field = f"loss of layer {layer}, expert {expert}, {self.bits[column]} bits"
            raise InputError(where, field, float(self.loss[layer, expert, column]), allowed)


def synthetic_losses(
    layers: int, experts: int, seed: int, assumptions: Assumptions, bits: tuple[int, ...] = BITS
) -> LossTable:
    """A made-up table: sensitivity(layer, expert) * scale * growth(layer) * 4^-bits.

    A uniform quantizer's squared error falls by 4 per bit (Bennett 1948; Gray and Neuhoff,
    "Quantization", IEEE Trans. IT 44(6), 1998, section II). Sensitivities are lognormal with median 1
    and the same for one seed; growth is geometric from 1 in the first layer.
    """
    spread = assumptions.number(SENSITIVITY_SPREAD)
    growth = assumptions.number(LAYER_GROWTH)
    scale = assumptions.number(SCALE)
    normal = np.random.Generator(np.random.PCG64(seed)).standard_normal((layers, experts))
    depth = np.arange(layers) / max(layers - 1, 1)
    sensitivity = scale * np.exp(spread * normal + math.log(growth) * depth[:, None])
    loss = sensitivity[:, :, None] * 0.25 ** np.asarray(bits, dtype=np.float64)
    loss.flags.writeable = False  # runs share it
    return LossTable(tuple(bits), loss, "synthetic").validate("synthetic losses")


def architecture(model: Model) -> str:
    """What a model must share with another for the losses of the one to be the other's, as JSON."""
    layers = [model.moe_layers[0], model.moe_layers[-1], len(model.moe_layers)] if model.moe_layers else []
    sizes = {
        "hidden": model.hidden,
        "layers": model.layers,
        "moe_layers": layers,
        "experts": model.routed_experts,
        "top_k": model.top_k,
        "intermediate": model.expert.intermediate,
        "vocab": model.vocab,
    }
    return json.dumps(sizes)


def read_losses(path: Path, model: Model) -> LossTable:
    """A measured table for `model` from a ``.npz`` or ``.csv`` file.

    ``.npz``: arrays ``bits`` [B] and ``loss`` [MoE layers, experts, B]; what ``moe-cosim quantize`` wrote says of which
    architecture it is: that of `model` is taken as it is, with the change of the model's loss, and of another only
    the rank order (`transferred`). ``.csv``: a header and the
    columns layer, expert, bits, loss, one row per cell in any order, layers counted from 0 over the
    MoE layers. Raises `InputError` when the table does not fit the model or is not complete,
    finite, at least 0 and never rising with more bits.
    """
    measured: dict[str, str] | None = None
    if path.suffix == ".npz":
        table, measured = _read_npz(path)
    elif path.suffix == ".csv":
        table = _read_csv(path)
    else:
        raise InputError(path, "file", Plain(f"a {path.suffix or 'nameless'} file"), "a .npz or .csv file")
    table.validate(path)
    if measured is not None and measured["architecture"] != architecture(model):
        return transferred(table, model, measured["model"])
    wanted = (len(model.moe_layers), model.routed_experts)
    if table.loss.shape[:2] != wanted:
        found = Plain("{} layers of {} experts".format(*table.loss.shape[:2]))
        allowed = f"{wanted[0]} MoE layers of {wanted[1]} experts, as {model.name} has"
        raise InputError(path, "loss", found, allowed)
    return table


def transferred(table: LossTable, model: Model, name: str) -> LossTable:
    """The rank order of another model's losses: rank among all cells, over their number, so that no size is left.

    Layers are those at the same depth. Numbers of experts mean nothing in another model: where there are more or fewer,
    they are stretched or thinned out evenly.
    """
    layers, experts, _ = table.loss.shape
    depth = np.rint(np.linspace(0, layers - 1, len(model.moe_layers))).astype(np.int64)
    number = np.arange(model.routed_experts) * experts // model.routed_experts
    values, ranks = np.unique(table.loss[depth][:, number], return_inverse=True)
    loss = ranks.reshape(len(depth), len(number), -1) / len(values)
    return LossTable(table.bits, loss, f"transferred: rank order alone, of {name}")


def _read_npz(path: Path) -> tuple[LossTable, dict[str, str] | None]:
    """A table and, of one that was measured here, on what and how."""
    allowed = "arrays 'bits' and 'loss' of numbers, written by numpy.savez"
    arrays = read_npz(path, allowed, ("bits", "loss", "delta_loss", *_SAID))
    if not {"bits", "loss"} <= arrays.keys():
        raise InputError(path, "file", Plain(f"the arrays {', '.join(arrays) or 'of other names'}"), allowed)
    bits, loss = arrays["bits"], arrays["loss"]
    if bits.ndim != 1 or bits.dtype.kind not in "iu":
        raise InputError(path, "bits", Plain(f"{bits.dtype} {list(bits.shape)}"), "a list of whole numbers")
    if loss.dtype.kind not in "iuf":
        raise InputError(path, "loss", Plain(str(loss.dtype)), "an array of real numbers")
    widths = tuple(int(width) for width in bits)
    if not arrays.keys() >= set(_SAID):
        return LossTable(widths, loss.astype(np.float64)), None
    said = {name: str(arrays[name]) for name in _SAID}
    delta = arrays.get("delta_loss")
    if delta is not None and (delta.shape != loss.shape or delta.dtype.kind != "f" or not np.isfinite(delta).all()):
        allowed = f"finite numbers {list(loss.shape)}, as 'loss'"
        raise InputError(path, "delta_loss", Plain(f"{delta.dtype} {list(delta.shape)}"), allowed)
    origin = f"measured on {said['model']} by {said['method']}"
    return LossTable(widths, loss.astype(np.float64), origin, delta), said


def _read_csv(path: Path) -> LossTable:
    columns = ["layer", "expert", "bits", "loss"]
    cells: dict[tuple[int, int, int], float] = {}
    try:
        with io.StringIO(read_plain(path).decode(), newline="") as file:
            rows = csv.DictReader(file)
            if rows.fieldnames is None or list(rows.fieldnames) != columns:
                raise InputError(path, "header", Plain(str(rows.fieldnames)), ",".join(columns))
            for row in rows:
                key, loss = _cell(path, rows.line_num, row)
                if key in cells:
                    raise InputError(path, f"line {rows.line_num}", Plain("a cell twice"), "every cell once")
                cells[key] = loss
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "file", what_failed(error), "a readable UTF-8 CSV file") from None
    if not cells:
        raise InputError(path, "file", Plain("no rows"), "one row per layer, expert and bit width")
    keys = np.array(list(cells))
    bits = sorted(set(keys[:, 2].tolist()))
    layers, experts = (int(count) for count in keys[:, :2].max(axis=0) + 1)
    if len(cells) != layers * experts * len(bits):
        found = Plain(f"{len(cells)} rows")
        raise InputError(path, "file", found, f"{layers} layers x {experts} experts x {len(bits)} widths, no gaps")
    table = np.empty((layers, experts, len(bits)))
    table[keys[:, 0], keys[:, 1], np.searchsorted(bits, keys[:, 2])] = list(cells.values())
    return LossTable(tuple(bits), table)


def _cell(path: Path, line: int, row: dict[str, str]) -> tuple[tuple[int, int, int], float]:
    try:
        layer, expert, bits = int(row["layer"]), int(row["expert"]), int(row["bits"])
        loss = float(row["loss"])
    except (ValueError, TypeError):
        raise InputError(path, f"line {line}", Plain(str(list(row.values()))), "three whole numbers, a loss") from None
    if min(layer, expert) < 0 or max(layer, expert) >= 2**16:
        raise InputError(path, f"line {line}", Plain(f"layer {layer}, expert {expert}"), "counted from 0")
    return (layer, expert, bits), loss
