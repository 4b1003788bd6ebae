"""Whether the small model is worth asking: bits per byte of held-out text beside an interpolated 4-gram model's.

    python benchmarks/small_moe/judge.py CORPUS RUN > model.json

RUN is what `train.py` wrote. The 4-gram model counts all training files, of which the other has read less than half.
Of every domain `WINDOWS` windows of 512 bytes, spread evenly, of each of which the first byte is not foretold.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers
from ngram import ByteGrams
from numpy.typing import NDArray

WINDOW: Final = 512
WINDOWS: Final = 128


def rows_of(text: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[WINDOWS, WINDOW]."""
    whole = text[: len(text) // WINDOW * WINDOW].reshape(-1, WINDOW)
    return whole[np.linspace(0, len(whole) - 1, WINDOWS).astype(int)]


def bits_of_model(model: Any, rows: NDArray[np.uint8]) -> float:
    """Mean over all foretold bytes."""
    total = 0.0
    with torch.no_grad():
        for part in torch.from_numpy(rows.astype(np.int64)).split(8):
            total += float(model(part, labels=part).loss) * len(part)
    return total / len(rows) / math.log(2)


def bits_of_grams(grams: ByteGrams, rows: NDArray[np.uint8]) -> float:
    """Of the same bytes, with the context that the windows leave."""
    return float(np.mean([grams.bits(row)[1:].mean() for row in rows]))


def judge(corpus: Path, run: Path) -> dict[str, Any]:
    """What `model.json` says."""
    training = json.loads((run / "training.json").read_text())
    model = transformers.MixtralForCausalLM.from_pretrained(run / "model", dtype=torch.float32).eval()
    texts = {name: (corpus / f"{name}.train").read_bytes() for name in training["domains"]}
    grams = ByteGrams(np.concatenate([np.frombuffer(text, np.uint8) for text in texts.values()]))
    domains = {}
    for name in training["domains"]:
        rows = rows_of(np.frombuffer((corpus / f"{name}.held-out").read_bytes(), np.uint8))
        found = {"model": bits_of_model(model, rows), "four_gram": bits_of_grams(grams, rows)}
        domains[name] = {kind: round(bits, 4) for kind, bits in found.items()}
    return {
        "training": training,
        "model_sha256": hashlib.sha256((run / "model" / "model.safetensors").read_bytes()).hexdigest(),
        "corpus": json.loads((corpus / "corpus.json").read_text()),
        "bits_per_byte": domains,
    }


if __name__ == "__main__":
    print(json.dumps(judge(Path(sys.argv[1]), Path(sys.argv[2])), indent=1))
