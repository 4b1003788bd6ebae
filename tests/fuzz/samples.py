"""Small inputs that are right, before they are changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.sim.tiny import MODEL

Tree = dict[str, Any]

SYSTEMS: Final[tuple[tuple[str, Tree], ...]] = (
    ("h100-cxl-ndp", {"name": "cxl-ndp", "gpu_experts": 1}),
    ("h100-host", {"name": "hobbit", "t1": 0.6, "t2": 0.9, "low_format": "int4", "prefetch_layers": 1}),
    ("h100-cxl-ndp", {"name": "monde"}),
    ("h100-host", {"name": "lru", "cache_experts": 2, "speculative": True}),
    ("h100-host", {"name": "belady", "cache_experts": 2}),
    ("h100-host", {"name": "moe-infinity", "cache_experts": 4}),
    ("h100-host", {"name": "flash-moe", "cache_experts": 2, "evict": "lfu"}),
    ("h100-host", {"name": "speculating-experts", "execute": False}),
    ("h100-host", {"name": "wisp", "cache_experts": 3, "prefetch": True}),
    ("h100-amx-dimm-ndp", {"name": "trimoe"}),
    ("rtx5080-dimm-ndp-2", {"name": "edge-ndp"}),
    ("a100-40-2x-xeon-8452y", {"name": "ktransformers"}),
    ("rtx4090-2x-xeon-6454s", {"name": "static-hybrid"}),
    ("rtx5080-host", {"name": "fiddler"}),
    ("h100-amx-dimm-ndp", {"name": "klotski"}),
    ("rtx3090-epyc-7542", {"name": "dali", "window_steps": 1}),
    ("b200-hbm-pim", {"name": "sieve"}),
    ("h100-host", {"name": "specmoe", "draft_experts": 2, "follow": "random"}),
    ("h100-host", {"name": "dymoe", "cache_experts": 2, "low_format": "int4", "retention": 0.5}),
    ("t4-cloud", {"name": "flexgen", "micro_batch": 2}),
    ("rtx3090-xeon-5318y", {"name": "klotski", "batch_sequences": 2, "host_cache": True, "prefetch_experts": 1}),
    ("a5000-epyc-7453", {"name": "moe-gen", "cpu_share": 0.5}),
    ("rtx-6000-ada-xeon-8452y", {"name": "cox-moe", "hot_set": "random"}),
    ("l4-cloud", {"name": "moe-lightning", "gpu_weights": 0.1}),
    ("h100-host", {"name": "dynaexq", "high_share": 0.25, "update_steps": 2, "margin": 0.0}),
)
"""Machine and policy."""

_DEEPSEEK: Final[Tree] = {
    "model_type": "deepseek_v3",
    "hidden_size": 256,
    "intermediate_size": 512,
    "moe_intermediate_size": 128,
    "num_hidden_layers": 3,
    "first_k_dense_replace": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "q_lora_rank": 64,
    "kv_lora_rank": 64,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "vocab_size": 1000,
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}
_QWEN: Final[Tree] = {
    "model_type": "qwen3_moe",
    "hidden_size": 256,
    "intermediate_size": 512,
    "moe_intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "vocab_size": 1000,
    "tie_word_embeddings": True,
    "max_position_embeddings": 4096,
}
_NESTED: Final[Tree] = {
    "model_type": "llama4",
    "text_config": {
        "model_type": "llama4_text",
        "hidden_size": 256,
        "intermediate_size": 128,
        "intermediate_size_mlp": 512,
        "interleave_moe_layer_step": 1,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "num_local_experts": 4,
        "num_experts_per_tok": 1,
        "vocab_size": 1000,
    },
}
MODELS: Final = (MODEL, _DEEPSEEK, _QWEN, _NESTED)

MACHINE: Final[Tree] = {
    "kind": "machine",
    "title": "A GPU and a device",
    "devices": {
        "gpu": {"device": "h100-sxm"},
        "cxl": {"device": "cxl-switch"},
        "ndp": {"device": "./device.yaml", "count": 1},
    },
    "links": {
        "gpu-cxl": {"link": "./link.yaml", "ends": ["gpu.pcie", "cxl.port"]},
        "cxl-ndp": {"link": "cxl-pcie4-x16", "ends": ["cxl.port", "ndp.pcie"]},
    },
}
SWEEP: Final[Tree] = {
    "name": "small",
    "base": "./base.yaml",
    "grid": {"workload.batch": [1, 2], "policy.gpu_experts": {"range": [0, 2], "integer": True, "step": 1}},
    "variants": {"plain": {}, "long": {"set": {"workload.output_tokens": 4}}},
    "seeds": 2,
    "where": "workload.batch * policy.gpu_experts < 4 and variant != 'none'",
}
SITES: Final[tuple[Tree, ...]] = (
    {"scheduler": "slurm", "partition": "p", "account": "a", "cpus-per-task": 2, "mem": "4G", "time": "04:00:00"},
    {"scheduler": "pbs", "queue": "q", "ncpus": 2, "mem": "4gb", "walltime": "04:00:00", "modules": ["gcc/13"]},
    {"scheduler": "lsf", "queue": "q", "n": 2, "memory": "4GB", "runlimit": "04:00:00", "environment": {"A": "x y"}},
    {"scheduler": "flux", "queue": "q", "cores-per-task": 2, "time-limit": "04:00:00", "lines": ["ulimit -v 1"]},
    {"scheduler": "grid-engine", "queue": "q", "slots": 2, "mem_free": "4G", "h_rt": "04:00:00", "container": "a.sif"},
)


def experiment(random: Random, model: str = "./model.json") -> Tree:
    """An experiment of one of the systems, with some fields that have defaults."""
    machine, policy = random.choice(SYSTEMS)
    tree: Tree = {
        "name": "small",
        "machine": {"use": machine},
        "model": model,
        "routing": {"source": "generator", "preset": "mixtral-8x7b"},
        "workload": {"batch": 2, "prompt_tokens": 4, "output_tokens": 3},
        "policy": dict(policy),
    }
    more: tuple[tuple[str, Any], ...] = (
        ("quantization", {"expert_format": "int4", "dense_format": "fp16", "average_bits": 2.5}),
        ("engine", {"name": "embedded"}),
        ("software", "cuda-graphs"),
        ("assumptions", {"cxl-link-rate": "48 GB/s"}),
        ("seed", 3),
        ("window", {"steps": "1", "layers": "0:1"}),
        ("kv_cache", "gpu"),
        ("description", "of a test"),
    )
    for key, value in random.sample(more, random.choice((0, 1, 1, 2))):
        tree[key] = value
    return tree


def base() -> Tree:
    """The experiment that sweeps and settings start from."""
    machine, policy = SYSTEMS[0]
    return {
        "name": "base",
        "machine": {"use": machine},
        "model": "./model.json",
        "routing": {"source": "generator", "preset": "mixtral-8x7b"},
        "workload": {"batch": 1, "prompt_tokens": 2, "output_tokens": 2},
        "policy": dict(policy),
    }


def losses() -> dict[str, NDArray[Any]]:
    """[2 layers, 4 experts, 4 widths]."""
    shape = np.array([4.0, 2.0, 1.0, 0.5])
    return {"bits": np.arange(1, 5), "loss": np.broadcast_to(shape, (2, 4, 4)).copy()}


def trace_arrays(kind: str) -> dict[str, NDArray[Any]]:
    """Two documents of 20 tokens, 2 layers, 2 of 4 experts, as one of the archive formats."""
    chance = np.random.default_rng(0)
    experts = np.argsort(chance.random((40, 2, 4)), axis=2)[:, :, :2].astype(np.uint16)
    if kind == "logits":
        return {"router_logits": chance.standard_normal((40, 2, 4)).astype(np.float32)}
    if kind == "counts":
        return {"logical_count": chance.integers(0, 20, (6, 2, 4))}
    if kind == "routed":
        return {"routed_experts": experts}
    found = {"experts": experts, "offsets": np.array([0, 20, 40]), "num_experts": np.array(4)}
    if kind == "weights":
        found["weights"] = np.full(experts.shape, 0.5, np.float32)
        found["domain"] = np.array(["law", "maths"])
    return found


def trace_lines() -> str:
    """The same as JSON lines."""
    experts = trace_arrays("plain")["experts"]
    return "".join(
        json.dumps(
            {"sequence": token // 20, "token": token % 20, "layer": layer, "experts": experts[token, layer].tolist()}
        )
        + "\n"
        for token in range(40)
        for layer in range(2)
    )


def write_model(folder: Path, tree: Tree = MODEL) -> None:
    (folder / "model.json").write_text(json.dumps(tree), encoding="utf-8")


Writer = Callable[[Random, Path], None]
