"""How long it takes to write a run's timeline as a trace.

python benchmarks/trace.py [OUTPUT_TOKENS]         # processor seconds, events, packets, bytes
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from moe_cosim.sim.run import run
from moe_cosim.sim.trace.folder import trace

EXPERIMENT = "cxl-ndp-mixtral-8x22b-3bit"


def main() -> None:
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 2048
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for out, output_tokens in (("short", 2), ("long", tokens)):
            run(EXPERIMENT, {"workload.output_tokens": output_tokens}, folder / out)
        trace(folder / "short", folder / "short.pftrace")  # compiles
        for file in ("long.pftrace", "long.pftrace.gz"):
            before_s = time.process_time()
            written = trace(folder / "long", folder / file)
            took_s = time.process_time() - before_s
            size = (folder / file).stat().st_size
            print(
                f"{file}: {took_s:.2f} s for {written.events:,} events ({took_s / written.events * 1e6:.2f} us each), "
                f"{written.packets:,} packets, {size:,} bytes"
            )
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
