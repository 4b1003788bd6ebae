"""Finished layers on disk, so that a measurement that was ended goes on where it was."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain, what_failed
from moe_cosim.plain_file import read_plain
from moe_cosim.whole_file import write_whole
from moe_cosim.workloads.array_archive import read_npz

_WANTED: Final = "wanted.json"


class WorkFolder:
    """One file of arrays of any shape per finished layer, and what the next layer starts from behind the last. Every
    file appears whole; a layer counts when its own file is there, which is written last.
    """

    def __init__(self, path: Path, digest: str) -> None:
        """Made if it does not exist. Raises `InputError` for a folder that another measurement left."""
        self.path = path
        marker = path / _WANTED
        try:
            if marker.exists():
                if json.loads(read_plain(marker).decode())["digest"] != digest:
                    found = Plain("layers of other options or weights")
                    raise InputError(
                        path, "work folder", found, "the same measurement; remove the folder to begin anew"
                    )
            elif path.exists() and any(path.iterdir()):
                raise InputError(path, "work folder", Plain("other files"), "a folder that is new, or this command's")
            else:
                path.mkdir(exist_ok=True)
                write_whole(marker, json.dumps({"digest": digest}).encode())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(path, "work folder", what_failed(error), "a folder that can be written") from None

    def done(self, layers: int) -> int:
        """How many of the first layers are finished."""
        return next((layer for layer in range(layers) if not self._layer(layer).exists()), layers)

    def save_layer(self, layer: int, arrays: dict[str, NDArray[Any]]) -> None:
        """The layer counts as finished from here on; the state that it began with is removed."""
        file = io.BytesIO()
        np.savez(file, **arrays)  # type: ignore[arg-type]
        write_whole(self._layer(layer), file.getvalue())
        if layer:
            self._state(layer - 1).unlink(missing_ok=True)

    def layer(self, layer: int) -> dict[str, NDArray[Any]]:
        """Arrays of a finished layer. Raises `InputError` for a damaged file."""
        return read_npz(self._layer(layer), "a finished layer; remove the folder to begin anew")

    def save_state(self, layer: int, state: dict[str, Any]) -> None:
        """Tensors from which the layer behind `layer` goes on."""
        from safetensors.torch import save

        write_whole(self._state(layer), save({name: tensor.contiguous() for name, tensor in state.items()}))

    def state(self, layer: int) -> dict[str, Any]:
        """What `save_state` kept behind `layer`, on the CPU."""
        from safetensors.torch import load_file

        found: dict[str, Any] = load_file(self._state(layer))
        return found

    def remove(self) -> None:
        """What this class wrote, and the folder when nothing else is in it."""
        for path in [*self.path.glob("layer-*.npz"), *self.path.glob("state-*.safetensors"), self.path / _WANTED]:
            path.unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()

    def remove_unless_begun(self) -> None:
        """`remove`, where no layer is finished."""
        if not self.done(1):
            self.remove()

    def _layer(self, layer: int) -> Path:
        return self.path / f"layer-{layer:03}.npz"

    def _state(self, layer: int) -> Path:
        return self.path / f"state-{layer:03}.safetensors"
