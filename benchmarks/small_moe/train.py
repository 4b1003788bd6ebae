"""Train the small Mixtral of this folder: 7.2 M parameters, bytes as tokens, about 40 minutes on two cores.

    python benchmarks/small_moe/train.py CORPUS OUT [--steps 2300] [--seed 0] [--device cpu]

Architecture and file layout are Mixtral's (`transformers.MixtralForCausalLM`), so whatever reads a Mixtral reads it.
A row of a batch is a window of one domain's training bytes, domains in equal shares. Batches are drawn by (seed, step),
and `OUT/checkpoint.pt` is written every `CHECKPOINT` steps: a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

CONFIG: Final = {
    "vocab_size": 256,
    "hidden_size": 256,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "max_position_embeddings": 1024,
    "router_aux_loss_coef": 0.0,  # `imbalance` stands in for it
    "output_router_logits": True,
    "tie_word_embeddings": False,
    "bos_token_id": None,
    "eos_token_id": None,
    "use_cache": False,
}
TOKENS: Final = 2048
"""Of a step."""
LENGTHS: Final = ((0.75, 256), (1.0, 512))
"""(up to this share of the steps, bytes of a row): short rows first, since attention costs less in them."""
PEAK_RATE: Final = 3e-3
WARM_UP: Final = 100
CHECKPOINT: Final = 200
BALANCE: Final = 0.01
"""Weight of each layer's imbalance (Switch Transformers, arXiv 2101.03961, section 2.2)."""
DOMAIN_SUFFIX: Final = ".train"


def batch(texts: list[NDArray[np.uint8]], seed: int, step: int, length: int) -> torch.Tensor:
    """[TOKENS / length, length] bytes; rows take turns over the domains."""
    draw = np.random.default_rng([seed, step])
    rows = TOKENS // length
    turns = (np.arange(rows) + step * rows) % len(texts)
    windows = []
    for domain in turns:
        start = draw.integers(len(texts[domain]) - length)
        windows.append(texts[domain][start : start + length])
    return torch.from_numpy(np.stack(windows).astype(np.int64))


def rate(step: int, steps: int) -> float:
    """Of learning: a linear rise, then half a cosine down to a hundredth."""
    if step < WARM_UP:
        return PEAK_RATE * (step + 1) / WARM_UP
    done = (step - WARM_UP) / max(1, steps - WARM_UP)
    return PEAK_RATE * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def imbalance(logits: tuple[torch.Tensor, ...], top_k: int) -> torch.Tensor:
    """Sum over layers of experts * sum over experts of (share of the choices * mean chance): 1 for each in balance.

    transformers adds up all layers first, which lets two or three experts of a layer starve as long as others of other
    layers make up for it (tried: it did).
    """
    total = torch.zeros((), device=logits[0].device)
    for layer in logits:
        chances = layer.float().softmax(dim=-1)
        chosen = chances.topk(top_k, dim=-1).indices
        shares = torch.bincount(chosen.flatten(), minlength=layer.shape[-1]) / chosen.numel()
        total = total + layer.shape[-1] * (shares * chances.mean(dim=0)).sum()
    return total


def new_model(seed: int) -> Any:
    torch.manual_seed(seed)
    config = transformers.MixtralConfig(**CONFIG)
    config._experts_implementation = "grouped_mm"  # a third faster here than one expert after the other
    return transformers.MixtralForCausalLM(config)


def train(corpus: Path, out: Path, steps: int, seed: int, device: str) -> None:
    names = sorted(path.name.removesuffix(DOMAIN_SUFFIX) for path in corpus.glob(f"*{DOMAIN_SUFFIX}"))
    texts = [np.frombuffer((corpus / f"{name}{DOMAIN_SUFFIX}").read_bytes(), dtype=np.uint8) for name in names]
    model = new_model(seed).to(device).train()
    decayed = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    plain = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.95), fused=True)
    first, spent = 0, 0.0
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first, spent = state["step"], state["seconds"]
    begun, mean = time.monotonic(), 0.0
    for step in range(first, steps):
        length = next(length for share, length in LENGTHS if step < share * steps)
        tokens = batch(texts, seed, step, length).to(device)
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        found = model(tokens, labels=tokens)
        unbalanced = imbalance(found.router_logits, CONFIG["num_experts_per_tok"])
        (found.loss + BALANCE * unbalanced).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        balance = float(unbalanced.detach()) / len(found.router_logits)
        loss = float(found.loss.detach())
        mean = loss if step == first else 0.95 * mean + 0.05 * loss
        if step % 20 == 0 or step + 1 == steps:
            seconds = spent + time.monotonic() - begun
            per_second = (step + 1 - first) * TOKENS / (time.monotonic() - begun)
            told = f"{mean / math.log(2):.3f} bits per byte, balance {balance:.3f}, {per_second:.0f} tokens/s"
            print(f"step {step}/{steps}, {seconds:.0f} s: {told}", flush=True)
        if (step + 1) % CHECKPOINT == 0 or step + 1 == steps:
            save_checkpoint(checkpoint, model, optimizer, step + 1, spent + time.monotonic() - begun)
    seconds = spent + time.monotonic() - begun
    save(model, out, names, corpus, {"steps": steps, "seed": seed, "device": device, "seconds": round(seconds)})


def save_checkpoint(path: Path, model: Any, optimizer: Any, step: int, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "seconds": seconds}
    torch.save(state, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def save(model: Any, out: Path, domains: list[str], corpus: Path, about: dict[str, Any]) -> None:
    """The model as 16-bit weights in `OUT/model`, and what made it in `OUT/training.json`."""
    model.config.output_router_logits = False
    model.to("cpu", torch.bfloat16).save_pretrained(out / "model")
    about |= {
        "command": "python benchmarks/small_moe/train.py",
        "domains": domains,
        "corpus_sha256": json.loads((corpus / "corpus.json").read_text())["sha256"],
        "tokens": about["steps"] * TOKENS,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "numpy": np.__version__,
        },
    }
    (out / "training.json").write_text(json.dumps(about, indent=1) + "\n")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=2300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    train(chosen.corpus, chosen.out, chosen.steps, chosen.seed, chosen.device)


if __name__ == "__main__":
    main(sys.argv[1:])
