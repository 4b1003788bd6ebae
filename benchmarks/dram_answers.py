"""Simulates what the catalogue's memories ask of the DRAM timing model, and keeps it with the package.

    python benchmarks/dram_answers.py

writes ``hw_models/catalog/dram_answers.csv``; answers that are there already are not simulated again. A test says when
it is due: after a change of the simulation, of a standard or of a memory of the catalogue. Some minutes of one core.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict

from moe_cosim.assumptions import Assumptions
from moe_cosim.hw_models import catalog
from moe_cosim.hw_models.build import build_device
from moe_cosim.hw_models.components import Memory
from moe_cosim.hw_models.dram.mix import asked
from moe_cosim.hw_models.dram_timing.ask import ask, key_of
from moe_cosim.hw_models.dram_timing.recorded import COLUMNS, path
from moe_cosim.whole_file import write_whole


def memories() -> Iterator[Memory]:
    """Of every device of the catalogue."""
    for entry in catalog.entries("device"):
        tree = catalog.read(entry.path, "device")
        if "memories" in tree:
            yield from build_device(tree, entry.path, Assumptions()).memories.values()


def main() -> None:
    found = {}
    for memory in memories():
        if memory.dram is None:
            continue
        for pattern in asked(memory):
            of = memory.dram.standard, memory.dram.controller, pattern
            found[key_of(*of)] = ask(*of)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({"key": key, **asdict(found[key])} for key in sorted(found))
    write_whole(path(), text.getvalue().encode())
    print(f"{len(found)} answers in {path()}")


if __name__ == "__main__":
    main()
