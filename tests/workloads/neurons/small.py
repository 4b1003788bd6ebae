"""A small dense model, and experiments on it."""

from __future__ import annotations

from typing import Any

from moe_cosim.experiment import Experiment
from moe_cosim.workloads.neurons.model import NeuronModel

SMALL = NeuronModel(
    name="small",
    hf_id="none",
    hidden=512,
    layers=4,
    heads=8,
    kv_heads=8,
    intermediate=2048,
    matrices=2,
    vocab=1000,
    tied_embeddings=True,
    density=0.1,
    density_source="a test",
    source="a test",
)


def like_small(**changed: int) -> NeuronModel:
    return NeuronModel(**{**SMALL.model_dump(), **changed})


def experiment(neurons: dict[str, Any], batch: int = 1, prompt: int = 16, output: int = 9, seed: int = 0) -> Experiment:
    return Experiment(
        name="small",
        machine={"use": "rtx4090-host"},
        model="opt-13b",
        neurons=neurons,
        workload={"batch": batch, "prompt_tokens": prompt, "output_tokens": output},
        policy={"name": "hermes"},
        seed=seed,
    )
