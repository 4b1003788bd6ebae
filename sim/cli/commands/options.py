"""Options that several commands have, and how their values are read."""

from __future__ import annotations

import os

import click

SETTINGS = click.option(
    "--set", "settings", multiple=True, metavar="PATH=VALUE", help="Replace a field, e.g. workload.batch=4."
)
WORKERS = click.option("--workers", type=click.IntRange(1), help="Processes side by side (default: one per core).")
MEMORY = click.option("--memory", metavar="SIZE", help="What a worker may take, as '4 GB' (default: its part of all).")
INTO_STORE = click.option(
    "--out", metavar="STORE", required=True, help="Folder that holds the results; made where there is none."
)


def memory_bytes(text: str | None) -> int | None:
    """What ``--memory`` says."""
    from moe_cosim.quantity import parse_quantity

    return None if text is None else int(parse_quantity(text, "bytes", "command line", "--memory"))


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
