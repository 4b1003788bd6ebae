"""What a measurement found, and its files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, what_failed
from moe_cosim.whole_file import write_whole
from moe_cosim.workloads.quantization.checkpoints import CheckpointFolder
from moe_cosim.workloads.quantization.losses import architecture
from moe_cosim.workloads.quantization.measuring.wanted import Wanted, file_digest
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace
from moe_cosim.workloads.routing.routing import normalised


@dataclass(frozen=True, eq=False)
class Measured:
    """Arrays of several shapes by name, as they are written (docs/quantization.md), and the routing that calibration
    saw.
    """

    arrays: dict[str, NDArray[Any]]
    trace: TokenTrace | None

    @classmethod
    def of_weights(cls, folder: CheckpointFolder, wanted: Wanted, losses: list[NDArray[np.float64]]) -> Measured:
        """Of a measurement that looked at weights alone: `losses` of each layer [experts, widths]."""
        return cls(_common(folder, wanted, np.stack(losses), "relative squared error of weights"), None)

    @classmethod
    def calibrated(
        cls,
        folder: CheckpointFolder,
        wanted: Wanted,
        layers: list[dict[str, NDArray[Any]]],
        sequence_tokens: int,
        changes: NDArray[np.float64] | None,
    ) -> Measured:
        """`layers`: arrays of those with experts. `changes` [MoE layers, widths, sequences]: of the loss in nats per
        token, one layer quantized at a time."""
        loss = np.stack([arrays["loss"] for arrays in layers])
        tokens = np.stack([arrays["tokens"] for arrays in layers])
        found = _common(folder, wanted, loss, "gate-weighted squared error of outputs")
        assert wanted.calibration is not None
        found |= {
            "output_error": np.stack([arrays["output_error"] for arrays in layers]),
            "hessian_error": np.stack([arrays["hessian_error"] for arrays in layers]),
            "tokens": tokens,
            "calibration": np.array(wanted.calibration.name),
            "calibration_sha256": np.array(file_digest(wanted.calibration)),
        }
        if changes is not None:
            change = changes.mean(axis=2)
            found["layer_delta_loss"] = change
            if changes.shape[2] > 1:
                found["layer_delta_loss_error"] = changes.std(axis=2, ddof=1) / np.sqrt(changes.shape[2])
            found["delta_loss"] = _shared_out(change, loss, tokens, len(layers[0]["experts"]))
        experts = np.stack([arrays["experts"] for arrays in layers], axis=1)
        trace = TokenTrace(
            experts=experts,
            weights=normalised(np.stack([arrays["weights"] for arrays in layers], axis=1)),
            offsets=np.arange(0, len(experts) + 1, sequence_tokens, dtype=np.int64),
            num_experts=folder.model.routed_experts,
            where="calibration",
        )
        return cls(found, trace)

    def save(self, path: Path, trace: Path | None) -> None:
        """Write the table to `path` and the routing to `trace`, each whole. Raises `InputError` where that fails."""
        file = io.BytesIO()
        np.savez(file, **self.arrays)  # type: ignore[arg-type]
        try:
            if self.trace is not None and trace is not None:
                self.trace.save(trace)
            write_whole(path, file.getvalue())
        except OSError as error:
            raise InputError(path, "file", what_failed(error), "a writable file") from None

    def summary(self) -> dict[str, Any]:
        """What the command shows: how it was measured, and a row per width."""
        arrays = self.arrays
        change, error = arrays.get("layer_delta_loss"), arrays.get("layer_delta_loss_error")
        widths = [
            {
                "bits": int(width),
                "mean_loss": float(arrays["loss"][:, :, column].mean()),
                "least_loss": float(arrays["loss"][:, :, column].min()),
                "largest_loss": float(arrays["loss"][:, :, column].max()),
                "delta_loss": None if change is None else float(change[:, column].sum()),
                "delta_loss_error": None if error is None else float(np.sqrt(np.square(error[:, column]).sum())),
                "lowered": int(arrays["lowered"][:, :, column].sum()),
            }
            for column, width in enumerate(arrays["bits"])
        ]
        facts = {name: str(arrays[name]) for name in ("model", "method", "loss_is")}
        unseen = int((arrays["tokens"] == 0).sum()) if "tokens" in arrays else 0
        return {
            **facts,
            "tokens": self.trace.tokens if self.trace is not None else 0,
            "unseen": unseen,
            "widths": widths,
        }


def _common(folder: CheckpointFolder, wanted: Wanted, loss: NDArray[np.float64], what: str) -> dict[str, NDArray[Any]]:
    """A width that measured worse than fewer bits counts as those: whoever has the bits may leave them unused."""
    lowered = np.minimum.accumulate(loss, axis=2)
    return {
        "bits": np.array(wanted.bits),
        "loss": lowered,
        "lowered": lowered < loss,
        "loss_is": np.array(what),
        "model": np.array(folder.folder.resolve().name),
        "architecture": np.array(architecture(folder.model)),
        "method": np.array(wanted.method),
        "group_size": np.array(wanted.group_size),
        "zero_point": np.array(wanted.zero_point),
    }


def _shared_out(
    change: NDArray[np.float64], loss: NDArray[np.float64], tokens: NDArray[np.int64], all_tokens: int
) -> NDArray[np.float64]:
    """[layers, experts, widths] nats of one token routed there; over `all_tokens` their mean is `change`.

    Of a layer's change each expert takes the share that it has in the squared error of the layer's output: to second
    order the loss is quadratic in that error, and errors of different experts do not hang together.
    """
    lowered = np.minimum.accumulate(loss, axis=2)
    squared = tokens[:, :, None] * lowered
    total = np.maximum(squared.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    shares: NDArray[np.float64] = change[:, None, :] * lowered / total * all_tokens
    return shares
