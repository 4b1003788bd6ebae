"""llama.cpp's routing logged as CSV ``layer,expert``: the choices of a pass, layer after layer, token after token."""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.routing.readers.containers.content import Content
from moe_cosim.workloads.routing.readers.trace_format import ModelRouter, TraceFormat, needed, trace_formats
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace

_HEADER: Final = "layer,expert"
_LINES_AT_ONCE: Final = 2**19


@trace_formats.register("layer-csv")
class LayerCsv(TraceFormat):
    summary = "`layer,expert`: the choices of a pass, layer after layer, k lines a token; one document"
    written_by = "patches of llama.cpp that log what is chosen"
    known_by = "`layer,expert` as the first line"
    needs_model = True

    def recognises(self, content: Content, top_k: int | None) -> bool:
        return content.head.removeprefix(b"\xef\xbb\xbf").startswith(_HEADER.encode())

    def read(self, content: Content, router: ModelRouter | None) -> TokenTrace:
        """Passes may have any number of tokens, the same in all layers of a pass."""
        top_k = needed(router, content, "lines").top_k
        rows = _rows(content)
        layer, ids = rows[:, 0], rows[:, 1]
        layers = len(np.unique(layer))
        starts = np.concatenate([[0], np.flatnonzero(layer[1:] != layer[:-1]) + 1])
        lengths = np.diff(starts, append=len(rows))
        order = layer[starts]
        whole = len(starts) % layers == 0 and bool((order.reshape(-1, layers) == np.unique(order)).all())
        if not whole or bool((lengths.reshape(-1, layers) % top_k != 0).any()):
            found, allowed = Plain("passes that are not whole"), f"all layers in turn, {top_k} lines a token"
            raise InputError(content.path, "layer", found, allowed)
        if bool((lengths.reshape(-1, layers) != lengths[::layers, None]).any()):
            found = Plain("more lines in one layer than in another")
            raise InputError(content.path, "layer", found, "as many in all of a pass")
        passes = np.split(ids, starts[layers::layers])
        experts = np.concatenate([each.reshape(layers, -1, top_k).swapaxes(0, 1) for each in passes])
        offsets = np.array([0, len(experts)], np.int64)
        count = int(ids.max()) + 1
        return TokenTrace(experts, None, offsets, count, num_experts_known=False, where=str(content.path))


def _rows(content: Content) -> NDArray[np.uint16]:
    """[lines, 2], no wider than ids are: a line takes no more here than in the file."""
    parts: list[NDArray[Any]] = []
    line = 2
    with content.open() as binary, io.TextIOWrapper(binary, "utf-8-sig") as file:
        try:
            file.readline()
            while text := [each for _, each in zip(range(_LINES_AT_ONCE), file, strict=False)]:
                rows = np.loadtxt(text, np.int64, delimiter=",", ndmin=2)
                if rows.size and (rows.shape[1] != 2 or int(rows.min()) < 0 or int(rows.max()) > 65535):
                    raise ValueError(f"in lines {line} to {line + len(text) - 1}: not two numbers from 0 to 65535")
                parts.append(rows.astype(np.uint16).reshape(-1, 2))
                line += len(text)
        except (OSError, ValueError) as error:
            raise InputError(
                content.path,
                "file",
                Plain(f"after line {line - 1}: {error}"),
                "lines of two whole numbers: layer,expert",
            ) from None
    found = np.concatenate(parts) if parts else np.empty((0, 2), np.uint16)
    if not len(found):
        raise InputError(content.path, "file", Plain("no lines"), "lines of two whole numbers: layer,expert")
    return found
