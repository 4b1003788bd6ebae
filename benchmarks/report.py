"""How long it takes to write the report of a long run.

python benchmarks/report.py [OUTPUT_TOKENS]        # processor seconds, events, bytes of the file
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from moe_cosim.sim.report.write import report
from moe_cosim.sim.run import run

EXPERIMENT = "cxl-ndp-mixtral-8x22b-3bit"


def main() -> None:
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 2048
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = run(EXPERIMENT, {"workload.output_tokens": tokens}, folder / "run")
        for turn in ("the first", "the second"):  # the first loads what is compiled, and the charting library
            before_s = time.process_time()
            written = report([folder / "run"], folder / "report.html")
            took_s = time.process_time() - before_s
            print(f"{turn}: {took_s:.2f} s for {result.events:,} events, {written.bytes:,} bytes")
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
