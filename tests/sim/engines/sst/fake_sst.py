"""Plays `sst` for the runner's tests: FAKE_SST names how it ends. Output and exit codes as seen of SST 16.0.0."""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from pathlib import Path

WARNING = "WARNING: Building component with no links assigned to it"


def main(arguments: list[str]) -> int:
    if "--version" in arguments:
        print("SST-Core Version (16.0.0)")
        return 0
    assert any(a.startswith("--stop-at=") for a in arguments), arguments
    assert any(a.startswith("--exit-after=") for a in arguments), arguments
    play = os.environ["FAKE_SST"]
    cores = [c for c in json.loads(Path("config.json").read_text())["components"] if c["type"] == "moecosim.StreamCore"]
    return PLAYS[play](cores)


def write(cores: list[dict], finished: int = 1, missing: int = 0, ranks: int = 1, short: bool = False) -> None:
    """Timelines with `missing` events that never happened, and statistics in one file per rank."""
    rows: list[list[str]] = [[] for _ in range(ranks)]
    for index, core in enumerate(cores):
        events = struct.unpack_from("<Q", Path(core["params"]["stream"]).read_bytes(), 24)[0]
        times = [(row, row + 1) if row < events - missing else (row, -1) for row in range(events)]
        data = b"".join(struct.pack("<qq", *pair) for pair in times)
        Path(core["params"]["timeline"]).write_bytes(data[:-8] if short else data)
        rows[index % ranks].append(f"{core['name']},finished,,Accumulator,9,0,{finished},1,1,1,1")
    names = ["statistics.csv"] if ranks == 1 else [f"statistics_{rank}.csv" for rank in range(ranks)]
    for name, own in zip(names, rows, strict=True):
        header = "ComponentName,StatisticName,StatisticSubId,StatisticType,SimTime,Rank,Sum.u64,SumSQ.u64,Count.u64"
        Path(name).write_text("\n".join([header + ",Min.u64,Max.u64", *own]) + "\n")


def success(cores: list[dict], ranks: int = 1) -> int:
    print(WARNING)
    for core in cores:
        print(f"moecosim progress {core['name']} 1 2")
    write(cores, ranks=ranks)
    print("Simulation is complete, simulated time: 112 ns")
    return 0


def stuck(cores: list[dict], doing: str, *last: str) -> int:
    write(cores, finished=0, missing=1)
    print(f"moecosim stuck {cores[0]['name']}: lane 0 (unit 0) at event 1 of 2: {doing}")
    for line in last:
        print(line)
    return 0


def fatal(code: int, *lines: str) -> int:
    for line in lines:
        print(line, file=sys.stderr)
    print("SST Fatal Backtrace Information:\n    0 : sst(main+0x12) [0x55]", file=sys.stderr)
    print("-" * 74 + "\nMPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD", file=sys.stderr)
    return code


def by_signal(number: int) -> int:
    print("moecosim progress gpu.core 1 2", flush=True)
    signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
    os.kill(os.getpid(), number)
    return 99


def incomplete(cores: list[dict], **how: object) -> int:
    write(cores, **how)  # type: ignore[arg-type]
    print("Simulation is complete, simulated time: 112 ns")
    return 0


def no_statistics(cores: list[dict]) -> int:
    write(cores)
    Path("statistics.csv").unlink()
    return 0


def one_core_silent(cores: list[dict]) -> int:
    write(cores)
    lines = Path("statistics.csv").read_text().splitlines()
    Path("statistics.csv").write_text("\n".join(lines[:-1]) + "\n")
    return 0


COMPLETE = "Simulation is complete, simulated time: 10 us"
PLAYS = {
    "success": success,
    "success in two ranks": lambda cores: success(cores, 2),
    "idle": lambda cores: stuck(cores, "wait, token 5, 1 of 2 signals", "Event queue empty, exiting simulation"),
    "idle until stop-at": lambda cores: stuck(cores, "wait, token 5, 1 of 2 signals", COMPLETE),
    "stop-at": lambda cores: stuck(cores, "stream, 37 requests under way", COMPLETE),
    "exit-after": lambda cores: stuck(cores, "compute", "EXIT-AFTER TIME REACHED; SHUTDOWN (0,0)!", COMPLETE),
    "interrupt": lambda cores: stuck(cores, "compute", "EMERGENCY SHUTDOWN (0,0)!", COMPLETE),
    "terminated": lambda cores: by_signal(signal.SIGTERM),
    "killed": lambda cores: by_signal(signal.SIGKILL),
    "crash": lambda cores: by_signal(signal.SIGFPE),
    "crash in a rank": lambda cores: fatal(1, "mpirun noticed that process rank 1 exited on signal 8 (Floating point)"),
    "killed in a rank": lambda cores: fatal(137, "mpirun noticed that process rank 1 exited on signal 9 (Killed)."),
    "no memory": lambda cores: fatal(134, "terminate called after throwing an instance of 'std::bad_alloc'"),
    "no library": lambda cores: fatal(
        1,
        'Error: unable to find "moecosim" element library',
        "FATAL: # SST Core: can't find requested component or subcomponent 'moecosim.Hub'",
    ),
    "broken library": lambda cores: fatal(127, "sst: symbol lookup error: libmoecosim.so: undefined symbol: _ZN3Way"),
    "unknown component": lambda cores: fatal(1, "FATAL: # SST Core: can't find requested component 'moecosim.Hubb'"),
    "bad unit": lambda cores: fatal(255, "FATAL: # SST Core: Error encountered during simulation: Invalid unit type"),
    "no file": lambda cores: fatal(255, "Failed to canonicalize path [config.py]:  No such file or directory"),
    "timingDRAM without id": lambda cores: fatal(134, "Aborted"),
    "nothing ran": no_statistics,
    "one core silent": one_core_silent,
    "event without end": lambda cores: incomplete(cores, missing=1),
    "short timeline": lambda cores: incomplete(cores, short=True),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
