"""Recordings written: our own archive of arrays, or Parquet with a row for each token and layer."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError, Plain
from moe_cosim.extras import load
from moe_cosim.whole_file import write_whole
from moe_cosim.workloads.routing.recorded.batch_counts import BatchCounts
from moe_cosim.workloads.routing.recorded.expert_popularity import ExpertPopularity
from moe_cosim.workloads.routing.recorded.token_trace import TokenTrace
from moe_cosim.workloads.routing.recorded.trace import Trace

PARQUET: Final = ".parquet"
ABOUT: Final = b"moe-cosim routing trace"
"""Key of the Parquet metadata under which stands, as JSON, what no column says."""
_TOKENS_AT_ONCE: Final = 2**14


def save_recording(recording: Trace | BatchCounts | ExpertPopularity, path: Path) -> None:
    """Parquet if `path` ends so, else our own archive. Raises `OSError`, and `InputError` for counts as Parquet."""
    as_parquet = path.suffix == PARQUET
    if isinstance(recording, Trace):
        trace = recording if isinstance(recording, TokenTrace) else TokenTrace.of(recording)
        if as_parquet:
            _save_parquet(trace, path)
        else:
            trace.save(path)
        return
    if as_parquet:
        raise InputError(
            path, "name", Plain(f"{PARQUET} for {recording.what}"), "a name of another ending (.npz is written)"
        )
    whole = recording.counts.astype(np.int64)
    exact = bool((whole == recording.counts).all())
    counts: dict[str, NDArray[Any]] = {"logical_count": whole if exact else recording.counts}
    if isinstance(recording, BatchCounts):
        counts["top_k"] = np.array(recording.top_k)
    file = io.BytesIO()
    np.savez_compressed(file, **counts)  # type: ignore[arg-type]
    write_whole(path, file.getvalue())


def _save_parquet(trace: TokenTrace, path: Path) -> None:
    arrow, parquet = load("pyarrow", str(path), "traces"), load("pyarrow.parquet", str(path), "traces")
    about = {
        "num_experts": trace.num_experts if trace.num_experts_known else None,
        "prompt_tokens": None if trace.prompt_tokens is None else trace.prompt_tokens.tolist(),
        "domains": trace.domains,
    }
    ids, gates = arrow.list_(arrow.uint16(), trace.top_k), arrow.list_(arrow.float32(), trace.top_k)
    fields = [("sequence", arrow.int32()), ("token", arrow.int32()), ("layer", arrow.int32()), ("experts", ids)]
    if trace.weights is not None:
        fields.append(("weights", gates))
    schema = arrow.schema(fields, metadata={ABOUT: json.dumps(about).encode()})
    document = trace.document_of_token()
    file = io.BytesIO()
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for first in range(0, trace.tokens, _TOKENS_AT_ONCE):
            some = slice(first, min(first + _TOKENS_AT_ONCE, trace.tokens))
            sequence = np.repeat(document[some], trace.layers)
            token = np.repeat(np.arange(some.start, some.stop) - trace.offsets[document[some]], trace.layers)
            layer = np.tile(np.arange(trace.layers), some.stop - some.start)
            columns = [arrow.array(column.astype(np.int32)) for column in (sequence, token, layer)]
            columns.append(arrow.FixedSizeListArray.from_arrays(arrow.array(trace.experts[some].ravel()), type=ids))
            if trace.weights is not None:
                columns.append(
                    arrow.FixedSizeListArray.from_arrays(arrow.array(trace.weights[some].ravel()), type=gates)
                )
            writer.write_table(arrow.Table.from_arrays(columns, schema=schema))
    write_whole(path, file.getvalue())
