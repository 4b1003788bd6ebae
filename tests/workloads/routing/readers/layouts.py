"""One trace of one document without weights, in every layout that can hold it."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from moe_cosim.workloads.routing import TokenTrace
from moe_cosim.workloads.routing.recorded.saved import save_recording
from tests.workloads.routing.readers.torch_files import torch_file

Write = Callable[[Path, TokenTrace], object]


def json_lines(path: Path, trace: TokenTrace) -> None:
    rows = (
        {"token": t, "layer": layer, "experts": ids}
        for t, layers in enumerate(trace.experts.tolist())
        for layer, ids in enumerate(layers)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def batch_lines(path: Path, trace: TokenTrace) -> None:
    """Batches of at most four tokens."""
    rows = (
        {"layer": layer, "batch_id": first // 4, "topk_experts": trace.experts[first : first + 4, layer].tolist()}
        for first in range(0, trace.tokens, 4)
        for layer in range(trace.layers)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def layer_csv(path: Path, trace: TokenTrace) -> None:
    """A pass of all tokens but the last, and one of that."""
    passes = [part for part in (trace.experts[:-1], trace.experts[-1:]) if len(part)]
    lines = [f"{layer},{e}" for part in passes for layer in range(trace.layers) for e in part[:, layer].ravel()]
    path.write_text("\n".join(["layer,expert", *lines]))


def logits_of(trace: TokenTrace) -> np.ndarray:
    """[layers, tokens, experts]: the chosen, in their order, above all others."""
    logits = np.zeros((trace.layers, trace.tokens, trace.num_experts), np.float32)
    order = np.broadcast_to(np.arange(trace.top_k, 0, -1, dtype=np.float32), trace.experts.shape)
    np.put_along_axis(logits, trace.experts.swapaxes(0, 1).astype(np.int64), order.swapaxes(0, 1), axis=2)
    return logits


def per_token(path: Path, trace: TokenTrace) -> None:
    """A prompt of half of the tokens, then one a pass; layer 0 has no experts, and ids are turned around."""
    prompt = max(1, trace.tokens // 2)
    starts = [0, *range(prompt, trace.tokens)]
    records = []
    for number, (start, stop) in enumerate(zip(starts, [*starts[1:], trace.tokens], strict=True)):
        ids = trace.num_experts - 1 - trace.experts[start:stop].astype(np.int32).swapaxes(0, 1)
        dense = np.full((1, *ids.shape[1:]), -1, np.int32)
        records.append(
            {
                "forward_pass_id": number,
                "rank": 0,
                "positions": list(range(start, stop)),
                "extend_seq_lens": [stop - start] if number == 0 else None,
                "topk_ids_of_layer": np.ascontiguousarray(np.concatenate([dense, ids])),
            }
        )
    mapped = np.tile(np.arange(trace.num_experts)[::-1], (trace.layers + 1, 1)).copy()
    torch_file(path, {"records": records, "last_physical_to_logical_map": mapped})


def arrays(path: Path, **values: np.ndarray) -> None:
    with path.open("wb") as file:
        np.savez(file, **values)  # type: ignore[arg-type]


def parquet(path: Path, trace: TokenTrace) -> None:
    save_recording(trace, path.with_suffix(".parquet"))
    path.with_suffix(".parquet").rename(path)


def lone(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, array)


def tuple_of_logits(path: Path, trace: TokenTrace) -> None:
    arrays(path, **{f"layer_{layer}": logits for layer, logits in enumerate(logits_of(trace))})


def packed(write: Write, pack: Callable[[bytes], bytes]) -> Write:
    def both(path: Path, trace: TokenTrace) -> None:
        write(path, trace)
        path.write_bytes(pack(path.read_bytes()))

    return both


TOKENS: Final[dict[str, Write]] = {
    "moe-cosim": lambda path, trace: trace.save(path),
    "token-arrays": lambda path, trace: arrays(path, experts=trace.experts, offsets=trace.offsets),
    "routed-experts": lambda path, trace: arrays(path, routed_experts=trace.experts),
    "json-lines": json_lines,
    "batch-lines": batch_lines,
    "layer-csv": layer_csv,
    "router-logits": lambda path, trace: arrays(path, router_logits=logits_of(trace)),
    "sglang-per-token": per_token,
    "parquet-rows": parquet,
}
"""By the format as which it is recognised."""
OTHERWISE: Final[dict[str, tuple[str, Write]]] = {
    "lone ids": ("routed-experts", lambda path, trace: lone(path, trace.experts)),
    "saved ids": ("routed-experts", lambda path, trace: torch_file(path, trace.experts.astype(np.int32))),
    "saved tuple of logits": ("router-logits", lambda path, trace: torch_file(path, tuple(logits_of(trace)))),
    "tuple of logits": ("router-logits", tuple_of_logits),
    "lines in gzip": ("json-lines", packed(json_lines, gzip.compress)),
    "archive in xz": ("moe-cosim", packed(TOKENS["moe-cosim"], lzma.compress)),
    "dump in gzip": ("sglang-per-token", packed(per_token, gzip.compress)),
    "table in xz": ("parquet-rows", packed(parquet, lzma.compress)),
}
