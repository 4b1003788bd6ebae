"""CSV files to validate against."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sim.tiny import cli, says

KERNELS = {
    "device": "H100 SXM",
    "model_shape": "a model",
    "dtype": "bf16",
    "experts": "8",
    "top_k": "2",
    "hidden": "4096",
    "inter_per_shard": "7168",
    "kernel": "triton",
    "tokens": "64",
    "time_us": "480",
}
SYSTEMS = {
    "experiment": "tiny.yaml",
    "metric": "decode_tokens_per_s",
    "measured": "1000",
    "unit": "tokens/s",
    "group": "a machine",
}
LLM = {
    "task": "gpqa",
    "model_id": "openai/gpt-oss-20b",
    "gpu_model": "H100",
    "num_gpus": "1",
    "weight_precision": "mxfp4",
    "avg_batch_size": "1.9",
    "avg_output_len": "40",
    "median_itl_ms": "5",
    "output_throughput_tokens_per_sec": "300",
}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write(base, change, ...): a CSV with a row for each mapping of changes to `base` (None: the column is left
    out); its path. A column that only some rows change is in all of them."""

    def write_csv(base: dict[str, str], *changes: dict[str, str | None]) -> Path:
        left_out = {name for change in changes for name, value in change.items() if value is None}
        rows = [{**base, **change} for change in changes or ({},)]
        columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in left_out]
        lines = [",".join(columns), *(",".join(str(row.get(name, "")) for name in columns) for row in rows)]
        path = tmp_path / "measured.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write_csv


def validated(*arguments: object) -> dict[str, Any]:
    """What ``validate --json`` prints."""
    found = cli("validate", *arguments, "--json", "--workers", 1)
    assert (found.exit_code, found.stderr) == (0, ""), (found.stderr, found.exception)
    printed: dict[str, Any] = json.loads(found.stdout)
    return printed


def is_refused(path: Path, field: str, found: str, allowed: str, *arguments: object) -> None:
    """One line that names file, line and column; exit code 2; nothing printed."""
    outcome = cli("validate", *arguments, "--data", path, "--json")
    assert (outcome.exit_code, outcome.stdout) == (2, ""), (outcome.stdout, outcome.exception)
    assert outcome.stderr.count("\n") == 1
    says(outcome.stderr.removeprefix("moe-cosim: ").rstrip("\n"), path, field, found, allowed)
