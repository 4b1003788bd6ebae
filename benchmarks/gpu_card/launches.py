"""What the host and the device spend on launches, graphs, events and waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from table import Table
from timing import Timing, capture, replay_us, wall_us

COLUMNS: Final = ("section", "case", "nodes", "clock", "time_us", "fastest_us", "repetitions")
NODES: Final = (1, 10, 100, 1000)
CALLS: Final = 1000


def run(table: Table) -> None:
    """`clock` says whose time it is: the device's, the host's for the call alone, or the host's with the wait."""

    def row(case: str, nodes: int, clock: str, measured: Callable[[], Timing]) -> None:
        named: Mapping[str, Any] = {"section": "launches", "case": case, "nodes": nodes, "clock": clock}
        table.measure(named, lambda: measured().columns())

    one = torch.zeros(1, device="cuda")
    tile = torch.zeros((16, 16), dtype=torch.bfloat16, device="cuda")
    stream, event = torch.cuda.current_stream(), torch.cuda.Event()
    with_wait, alone = "host with wait", "host"
    eager: dict[str, Callable[[], object]] = {
        "eager back to back, add to 1 value": lambda: one.add_(1),
        "eager back to back, product 16x16": lambda: torch.matmul(tile, tile),
        "eager back to back, empty kernel": lambda: torch.cuda._sleep(0),
        "event record": event.record,
        "event record and stream wait": lambda: (event.record(), stream.wait_event(event)),
    }
    for case, call in eager.items():
        row(case, 1, with_wait, lambda call=call: wall_us(call, CALLS))
    row("stream synchronise, nothing queued", 0, alone, lambda: wall_us(stream.synchronize, CALLS, finish=False))
    row("device synchronise, nothing queued", 0, alone, lambda: wall_us(torch.cuda.synchronize, CALLS, finish=False))
    row(
        "one kernel and stream synchronise", 1, alone,
        lambda: wall_us(lambda: (one.add_(1), stream.synchronize()), CALLS, finish=False),
    )  # fmt: skip
    row("one kernel and its value read by the host", 1, alone, lambda: wall_us(lambda: one.add_(1).item(), CALLS))
    for nodes in NODES:
        graph = capture(lambda _: one.add_(1), nodes)
        row("graph, whole", nodes, "device", lambda graph=graph: replay_us(graph))
        row("graph, per node", nodes, "device", lambda graph=graph, nodes=nodes: replay_us(graph, nodes))
        row("graph launch", nodes, alone, lambda graph=graph: wall_us(graph.replay, 1, 50, finish=False))
        row("graph launch and wait", nodes, alone, lambda graph=graph: wall_us(graph.replay, 1, 50))
        row("graph launches back to back", nodes, with_wait, lambda graph=graph: wall_us(graph.replay, 100))
