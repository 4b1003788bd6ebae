"""Measures on one CUDA card what the models of GPUs and of their software assume.

    python benchmarks/gpu_card [--out FOLDER] [--seconds S] [SECTION...]

Writes FOLDER/SECTION.csv for each section and FOLDER/card.json (the card, its clocks, the versions, how each
section went). Needs PyTorch with CUDA and Triton, transformers for `layers` and `layer_kernels`, nvidia-ml-py for
`power`, nothing else, and at most eight minutes. `power` takes four minutes and runs only where it is named. Each
section runs in a process of its own with a budget of time, so that one that fails or hangs loses no other; then the
exit status is 1.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

# Sections and their budgets in seconds
SECTIONS: Final = {
    "launches": 10, "copies": 30, "memory": 20, "moe": 55, "dense": 50, "attention": 30, "layers": 80,
    "layer_kernels": 40, "amx": 40, "power": 240,
}  # fmt: skip
ONLY_NAMED: Final = ("power",)
START_S: Final = 20  # what the start of a process and the last case of its section may take beyond
LIMIT_S: Final = 480.0
SMI_FIELDS: Final = (
    "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.draw,power.limit,temperature.gpu,"
    "pcie.link.gen.current,pcie.link.width.current"
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="gpu_card", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the files")
    parser.add_argument("--seconds", type=float, default=LIMIT_S, help="the most that all may take")
    parser.add_argument("--here", action="store_true", help="one section, in this process")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    given = parser.parse_args()
    unknown = sorted(set(given.sections) - set(SECTIONS))
    if unknown:
        parser.error(f"SECTION: {', '.join(unknown)}: unknown (known: {', '.join(SECTIONS)})")
    given.out.mkdir(parents=True, exist_ok=True)
    sections = given.sections or [name for name in SECTIONS if name not in ONLY_NAMED]
    work = _section if given.here else _all
    return work(sections, given.out, given.seconds)


def _section(names: list[str], out: Path, seconds: float) -> int:
    table_module, section = importlib.import_module("table"), importlib.import_module(names[0])
    table = table_module.Table(out / f"{names[0]}.csv", section.COLUMNS, seconds)
    try:
        section.run(table)
    finally:
        status: int = table.close()
    return status


def _all(sections: list[str], out: Path, seconds: float) -> int:
    began = time.monotonic()
    card = _card()
    print(json.dumps(card), flush=True)
    failed = False
    for name in sections:
        at = time.monotonic()
        status = _process(name, out, seconds - (at - began))
        failed |= status != 0
        spent_s = round(time.monotonic() - at, 1)
        card["sections"][name] = {"exit_status": status, "seconds": spent_s, "after": _smi()}
        print(f"{name}: exit status {status}, {spent_s} s with the start of its process", flush=True)
        (out / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return int(failed)


def _process(name: str, out: Path, left_s: float) -> int:
    """The exit status of the section's process; 124 where it had to be ended."""
    budget_s = min(SECTIONS[name], left_s - START_S)
    if budget_s <= 0:
        print(f"{name}: no time left", flush=True)
        return 124
    folder, given = os.fspath(Path(__file__).parent), ["--out", os.fspath(out), "--seconds", str(budget_s)]
    try:
        return subprocess.run([sys.executable, folder, "--here", *given, name], timeout=budget_s + START_S).returncode
    except subprocess.TimeoutExpired:
        return 124


def _card() -> dict[str, Any]:
    import torch

    properties = torch.cuda.get_device_properties(0)
    return {
        "name": properties.name,
        "multiprocessors": properties.multi_processor_count,
        "memory_bytes": properties.total_memory,
        "l2_bytes": properties.L2_cache_size,
        "capability": [properties.major, properties.minor],
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "transformers": _version("transformers"),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "before": _smi(),
        "sections": {},
    }


def _version(package: str) -> str:
    """Of an installed package; empty where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _smi() -> dict[str, str]:
    """What nvidia-smi says of clocks, power and link; empty where it says nothing."""
    command = ["nvidia-smi", "--id=0", f"--query-gpu={SMI_FIELDS}", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(zip(SMI_FIELDS.split(","), (value.strip() for value in answer.split(",")), strict=False))


if __name__ == "__main__":
    sys.exit(main())
