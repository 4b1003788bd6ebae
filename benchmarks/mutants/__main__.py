"""``python -m benchmarks.mutants sample|map|run``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def main() -> None:
    """The three steps."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants")
    steps = parser.add_subparsers(dest="step", required=True)
    step = steps.add_parser("sample", help="draw mutants")
    step.add_argument("mutants", type=Path)
    step.add_argument("--count", type=int, default=340)
    step.add_argument("--seed", type=int, default=0)
    step = steps.add_parser("map", help="note which tests pass by which lines")
    step.add_argument("map", type=Path)
    step.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    step = steps.add_parser("run", help="try the mutants")
    for name in ("mutants", "map", "outcomes"):
        step.add_argument(name, type=Path)
    step.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    step.add_argument("--stop-after", type=float, metavar="SECONDS", default=float("inf"), help="begin none after this")
    given = parser.parse_args()
    if given.step == "sample":
        from benchmarks.mutants import sample

        sample.write(given.mutants, given.count, given.seed)
    elif given.step == "map":
        from benchmarks.mutants import passing

        passing.write(given.map, given.workers)
    else:
        from benchmarks.mutants import outcomes

        outcomes.write(given.mutants, given.map, given.outcomes, given.workers, given.stop_after)


if __name__ == "__main__":
    main()
