"""How a run's time grows along each axis: exponents of processor time over output tokens, layers, ...

    python benchmarks/growth.py [AXIS...]

An exponent is the slope of a least-squares line through log(seconds) over log(value), of the best of TURNS
runs each; 1 is linear. Beside it stands the exponent of the number of events, since time should grow as the
events do: `per event` is the slope of seconds per event over events, 0 where an event costs the same at any size.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from moe_cosim.sim.run import run

TURNS: Final = 3

MODEL: Final = {
    "model_type": "mixtral",
    "architectures": ["MixtralForCausalLM"],
    "hidden_size": 1024,
    "intermediate_size": 1024,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "num_hidden_layers": 8,
    "num_local_experts": 16,
    "num_experts_per_tok": 2,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
}
SETTINGS: Final = {
    "workload.batch": 1,
    "workload.prompt_tokens": 32,
    "workload.output_tokens": 256,
    "policy.gpu_experts": 4,
    "machine.use": "h100-cxl-ndp-4",
}
AXES: Final[Mapping[str, tuple[str, Sequence[int]]]] = {
    "output tokens": ("workload.output_tokens", (256, 512, 1024, 2048, 4096)),
    "batch": ("workload.batch", (8, 16, 32, 64, 128)),
    "layers": ("num_hidden_layers", (8, 16, 32, 64, 128)),
    "experts": ("num_local_experts", (16, 32, 64, 128)),
    "devices": ("machine.set", (1, 2, 4, 8, 16)),
}


@dataclass(frozen=True)
class Size:
    """One run of an axis."""

    value: int
    seconds: float
    events: int


def experiment(axis: str, value: int, folder: Path) -> tuple[str, dict[str, Any]]:
    """Base experiment and settings; of the axis of experts, a batch that asks for nearly all of them."""
    name, _ = AXES[axis]
    model = {**MODEL, **({name: value} if name in MODEL else {})}
    path = folder / f"{axis}-{value}.json"
    path.write_text(json.dumps(model))
    settings: dict[str, Any] = {**SETTINGS, "model": str(path)}
    if axis in ("experts", "devices"):
        settings |= {"workload.batch": 64, "workload.output_tokens": 64}
    if name == "machine.set":
        settings[name] = {"devices.ndp.count": value}
    elif name not in MODEL:
        settings[name] = value
    return "cxl-ndp-mixtral-8x7b-3bit", settings


def sizes(axis: str, folder: Path) -> Iterator[Size]:
    for value in AXES[axis][1]:
        base, settings = experiment(axis, value, folder)
        run(base, settings, keep=())
        taken = []
        for turn in range(TURNS):
            began = time.process_time()
            result = run(base, {**settings, "seed": turn + 1}, keep=())
            taken.append(time.process_time() - began)
        yield Size(value, min(taken), result.events)


def exponent(x: Sequence[float], y: Sequence[float]) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def main() -> None:
    print(
        f"{'axis':14s} {'values':>12s} {'events':>22s} {'seconds':>16s} {'time':>6s} {'events':>7s} {'per event':>10s}"
    )
    with tempfile.TemporaryDirectory() as name:
        for axis in sys.argv[1:] or AXES:
            found = list(sizes(axis, Path(name)))
            values, seconds, events = zip(*((size.value, size.seconds, size.events) for size in found), strict=True)
            each = [time_s / count for time_s, count in zip(seconds, events, strict=True)]
            flat = exponent(events, each) if events[-1] > 1.2 * events[0] else float("nan")
            print(
                f"{axis:14s} {values[0]:5d}..{values[-1]:5d} {events[0]:10,d}..{events[-1]:10,d} "
                f"{seconds[0]:7.3f}..{seconds[-1]:7.3f} {exponent(values, seconds):6.2f} "
                f"{exponent(values, events):7.2f} {flat:10.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
