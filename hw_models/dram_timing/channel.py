"""State of one channel while it serves requests: arrays that the compiled code reads and writes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_cosim.hw_models.dram_timing.commands import COMMANDS, LEVELS, RANK
from moe_cosim.hw_models.dram_timing.controller import Controller
from moe_cosim.hw_models.dram_timing.limits import Limits
from moe_cosim.hw_models.dram_timing.standard import DramStandard

NEVER = 1 << 62

Ints = NDArray[np.int64]

COUNTERS = np.dtype(
    [
        (name, np.int64)
        for name in (
            "now",
            "wake",  # the next tick at which something may be possible
            "writing",  # whether writes are drained
            "urgent",  # entries of `urgent`
            "opened",  # requests of `opened`
            "done",
            "last",  # tick at which the last byte was there
            "read_ticks",  # sum of read latencies
            "reads",
            "hits",
            "misses",
            "conflicts",
            "half_opened",  # request whose second half of the activate is due, or -1
            "half_by",  # the last tick for it
            "synced_until",  # data clock runs
            "sync",  # request whose column command follows the start of the data clock, or -1
            "paired_until",  # tick of the half clock that is paired with the last row command
            "paired_bank",  # its bank, or -1 for all of its scope
            "paired_scope",
        )
    ]
)


class Rules(NamedTuple):
    """What does not change: ticks, and choices of the controller."""

    banks: int
    scope: int
    """Level that refresh and the activate window belong to."""
    scope_banks: int
    four_activates: int
    read_latency: int
    sibling_ranks: int
    buses: int
    """Command buses: 1, or 2 for columns and rows."""
    half_clocks: int
    """Whether ticks are half clocks, of which only precharges may use the second."""
    split_within: int
    """Ticks within which the second half of an activate follows; 0: activates are one command."""
    sync_read: int
    """Ticks that the data clock runs after a read; 0: it always runs."""
    sync_write: int
    closed: int
    row_hits_first: int
    high: int
    """The write queue is drained from more than this many entries ..."""
    low: int
    """... to fewer than this."""
    refresh_every: int
    """Ticks; 0: none."""
    refresh_together: int
    """Banks that are refreshed each time; 0: all of every scope, while requests wait."""
    spacing: int
    """Ticks between requests; 0: as soon as a queue takes them."""


class State(NamedTuple):
    """Banks are numbered by pseudo-channel, rank, group, bank."""

    node: Ints
    """[banks, LEVELS] the place of a bank's parents in `ready`."""
    ready: Ints
    """[nodes, COMMANDS] the first tick for the next such command."""
    limit: Ints
    """[LEVELS, COMMANDS, COMMANDS] ticks from one command to a next one at the same place."""
    sibling: Ints
    """[COMMANDS, COMMANDS] the same to the other ranks."""
    activates: Ints
    """[nodes, 5] ticks of the last four activates, and where the oldest stands."""
    row: Ints
    """[banks] the open row, or -1."""
    holder: Ints
    """[banks] the request that an activate was for, or -1."""
    accesses: Ints
    """[banks] since the row was opened."""
    due: Ints
    """[banks] whether its own refresh waits in `urgent`: requests for it wait, others do not."""
    closing: Ints
    """[banks] whether its precharge waits in `urgent`."""
    oldest: Ints
    """[2, banks] of the reads and of the writes that wait for a bank the first, or -1."""
    newest: Ints
    """[2, banks]"""
    hit: Ints
    """[2, banks] the oldest for the open row, or -1."""
    other: Ints
    """[2, banks] the oldest for another row than the open one, or -1."""
    after: Ints
    """[requests] the next that waits for the same bank, or -1."""
    before: Ints
    """[requests]"""
    opened: Ints
    """[banks] requests whose row was opened for them."""
    urgent: Ints
    """[2 x banks + 1, 2] (command, bank) that come before requests."""
    size: Ints
    """[2] reads and writes that wait."""
    depth: Ints
    """[2] what they take."""
    counters: Any


def new_state(limits: Limits, standard: DramStandard, controller: Controller, requests: int) -> State:
    """Nothing open, nothing waiting; for as many `requests`."""
    counts = [1, standard.pseudo_channels, standard.ranks, standard.bank_groups, standard.banks_per_group]
    banks = standard.banks
    bank = np.arange(banks)
    node = np.zeros((banks, LEVELS), np.int64)
    before = 0
    for level in range(LEVELS):
        below = int(np.prod(counts[level + 1 :], dtype=np.int64))
        node[:, level] = before + bank // below
        before += banks // below
    depth = np.array([controller.read_queue, controller.write_queue], np.int64)
    counters = np.zeros(1, COUNTERS).view(np.recarray)
    for name in ("half_opened", "sync", "paired_until"):
        counters[0][name] = -1

    def of_banks(value: int) -> Ints:
        return np.full(banks, value, np.int64)

    return State(
        node=node,
        ready=np.zeros((before, COMMANDS), np.int64),
        limit=limits.same,
        sibling=limits.sibling,
        activates=np.concatenate([np.full((before, 4), -NEVER, np.int64), np.zeros((before, 1), np.int64)], axis=1),
        row=of_banks(-1),
        holder=of_banks(-1),
        accesses=of_banks(0),
        due=of_banks(0),
        closing=of_banks(0),
        oldest=np.full((2, banks), -1, np.int64),
        newest=np.full((2, banks), -1, np.int64),
        hit=np.full((2, banks), -1, np.int64),
        other=np.full((2, banks), -1, np.int64),
        after=np.full(requests, -1, np.int64),
        before=np.full(requests, -1, np.int64),
        opened=of_banks(-1),
        urgent=np.zeros((2 * banks + 1, 2), np.int64),
        size=np.zeros(2, np.int64),
        depth=depth,
        counters=counters,
    )


def rules_of(limits: Limits, standard: DramStandard, controller: Controller, spacing: int = 0) -> Rules:
    """`spacing` in ticks."""
    # every bank is due once per tREFI, so the time between refreshes of single banks says how many go together
    share = max(1, standard.banks * limits.refresh_bank // limits.refresh)
    together = min(1 << (share.bit_length() - 1), standard.banks)
    every = {"off": 0, "all-bank": limits.refresh, "per-bank": limits.refresh_bank}[controller.refresh]
    scopes = standard.pseudo_channels * (standard.ranks if limits.scope == RANK else 1)
    return Rules(
        banks=standard.banks,
        scope=limits.scope,
        scope_banks=standard.banks // scopes,
        four_activates=limits.four_activates,
        read_latency=limits.read_latency,
        sibling_ranks=standard.ranks if limits.sibling.any() else 1,
        buses=standard.command_buses,
        half_clocks=int(standard.half_clock_precharge),
        split_within=limits.split_within,
        sync_read=limits.sync_read,
        sync_write=limits.sync_write,
        closed=int(controller.page_policy == "closed"),
        row_hits_first=int(controller.scheduler == "row-hit-first"),
        high=int(controller.drain_from * controller.write_queue),
        low=-int(-controller.drain_to * controller.write_queue // 1),
        refresh_every=every,
        refresh_together=together if controller.refresh == "per-bank" else 0,
        spacing=spacing,
    )
