"""Recorded routing and tables of losses."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import yaml

from moe_cosim.workloads.routing import TokenTrace
from tests.fuzz import archives
from tests.fuzz.damage import damaged
from tests.fuzz.judge import Command
from tests.fuzz.kinds.experiments import runs
from tests.fuzz.samples import base, trace_arrays, trace_lines, write_model
from tests.fuzz.samples import losses as loss_table
from tests.fuzz.values import NUMBERS, TEXTS
from tests.workloads.routing.readers.layouts import OTHERWISE, TOKENS


def trace(random: Random, folder: Path) -> list[Command]:
    kinds = (
        "plain",
        "weights",
        "logits",
        "counts",
        "routed",
        "lone",
        "lines",
        "lines",
        "csv",
        "torch",
        *["layout"] * 6,
    )
    kind = random.choice(kinds)
    path = folder / "in" / random.choice(("trace.npz", "trace", "t.jsonl", "t.npy"))
    if kind in ("lines", "csv"):
        text = (
            trace_lines()
            if kind == "lines"
            else "layer,expert\n" + "".join(f"{n // 2 % 2},{n % 4}\n" for n in range(80))
        )
        path.write_bytes(_text(random, text))
    elif kind == "layout":
        ids = trace_arrays("plain")["experts"]
        write = random.choice([*TOKENS.values(), *(each for _, each in OTHERWISE.values())])
        write(path, TokenTrace(ids, None, np.array([0, len(ids)]), 4))
        path.write_bytes(damaged(random, path.read_bytes()))
    elif kind == "lone":
        path.write_bytes(_npy(random))
    elif kind == "torch":
        path.write_bytes(
            archives.packed(archives.changed(random, {"a/data.pkl": _pickle(random), "a/version": b"3\n"}))
        )
    else:
        path.write_bytes(archives.npz_file(random, trace_arrays(kind)))
    write_model(folder / "in")
    tree = base() | {"routing": {"source": "trace", "file": path.name, "repeat": random.random() < 0.5}}
    (folder / "in" / "e.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    if random.random() < 0.5:
        said = random.choice(((), ("--model", "./model.json"), ("--format", random.choice(list(TOKENS)))))
        out = folder / "outputs" / random.choice(("out.npz", "out.parquet"))
        words = random.choice((("stats", path.name), ("show", path.name), ("convert", path.name, str(out))))
        return [Command(("routing", *words, *said))]
    return runs("e.yaml", folder)


def losses(random: Random, folder: Path) -> list[Command]:
    table = loss_table()
    if random.random() < 0.5:
        path = folder / "in" / "losses.npz"
        path.write_bytes(archives.npz_file(random, table))
    else:
        path = folder / "in" / "losses.csv"
        rows = [
            f"{layer},{expert},{b},{table['loss'][layer, expert, b - 1]}"
            for layer in (0, 1)
            for expert in range(4)
            for b in range(1, 5)
        ]
        path.write_bytes(_text(random, "layer,expert,bits,loss\n" + "\n".join(rows) + "\n"))
    write_model(folder / "in")
    tree = base() | {"quantization": {"losses": f"./{path.name}", "average_bits": 3, "expert_format": "fp16"}}
    (folder / "in" / "e.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    return runs("e.yaml", folder)


def _text(random: Random, text: str) -> bytes:
    """Lines with one field replaced, one line more or less, or damaged bytes."""
    lines = text.splitlines()
    number = random.randrange(len(lines))
    kind = random.randrange(6)
    if kind == 0:
        return damaged(random, text.encode())
    if kind == 1:
        del lines[number]
    elif kind == 2:
        lines.insert(
            random.randrange(len(lines)), random.choice(("", "{}", "[]", "1,2,3,4,5", '{"a": ' * 5_000, lines[number]))
        )
    else:
        for mark in (",", ":"):
            parts = lines[number].split(mark)
            if len(parts) > 1 and random.random() < 0.7:
                parts[random.randrange(len(parts))] = _field(random)
            lines[number] = mark.join(parts)
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def _field(random: Random) -> str:
    value = random.choice(NUMBERS) if random.random() < 0.7 else random.choice(TEXTS)
    return "9" * 5_000 if value == "digits-5000" else str(value)


def _npy(random: Random) -> bytes:
    if random.random() < 0.3:
        return archives.header(random) + b"\0" * 100
    return archives.npy(archives.array(random, trace_arrays(random.choice(("plain", "counts", "logits"))).popitem()[1]))


def _pickle(random: Random) -> bytes:
    """Pickles by hand: one that calls, one that nests, one that ends early."""
    return random.choice(
        (b"cos\nmkdir\n(S'PWNED'\ntR.", b"\x80\x02" + b"(" * 10_000 + b".", b"\x80\x02}q\x00.", b"\x80\x02]", b"")
    )
