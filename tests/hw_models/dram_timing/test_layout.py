"""Addresses and patterns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from moe_cosim.errors import InputError
from moe_cosim.hw_models.dram_timing.layout import NAMED, AddressLayout
from moe_cosim.hw_models.dram_timing.pattern import AccessPattern, accesses_of
from moe_cosim.hw_models.dram_timing.standard import read_standard, timed

NAMES = tuple(entry.name for entry in timed())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mapping", NAMED)
def test_every_place_of_a_row_is_one_access(name: str, mapping: str) -> None:
    """Over some rows of all banks each (bank, row) comes as often as a row has columns."""
    standard = replace(read_standard(name), rows=8)
    bank, row = AddressLayout.parse(mapping, standard).place(np.arange(standard.banks * 8 * standard.columns), standard)
    counts = np.bincount(bank * 8 + row, minlength=standard.banks * 8)
    assert len(counts) == standard.banks * 8
    assert set(counts) == {standard.columns}


def test_fields_written_out_are_the_named_layout() -> None:
    standard = read_standard("hbm3")
    written = "Column[1] PseudoChannel[1] BankGroup[2] Column[4] Bank[2] Rank[1] Row[14]"
    accesses = np.arange(0, standard.capacity_bytes // standard.access_bytes, 977)
    for one, two in zip(
        AddressLayout.parse(written, standard).place(accesses, standard),
        AddressLayout.parse("RoRaBaCoBgPc", standard).place(accesses, standard),
        strict=True,
    ):
        assert (one == two).all()


@pytest.mark.parametrize(
    ("mapping", "allowed"),
    [
        ("Column[1] PseudoChannel[1] BankGroup[2] Column[3] Bank[2] Rank[1] Row[14]", "5 bits of Column, not 4"),
        ("Column[5] PseudoChannel[1] BankGroup[2] Bank[2] Rank[1]", "14 bits of Row, not 0"),
        ("RoBaCo", "one of RoBaRaCoCh"),
        ("Column[5] Plane[2]", "one of RoBaRaCoCh"),
    ],
)
def test_a_mapping_covers_every_bit(mapping: str, allowed: str) -> None:
    with pytest.raises(InputError, match="mapping: found") as refused:
        AddressLayout.parse(mapping, read_standard("hbm3"))
    assert allowed in str(refused.value)


def test_streams_take_turns_and_the_share_is_written() -> None:
    standard = read_standard("ddr4-3200")
    accesses, write = accesses_of(AccessPattern(streams=3, read_share=2 / 3, total_bytes=64 * 300), standard)
    assert write.sum() == 100
    assert list(write[:6]) == [0, 0, 1, 0, 0, 1]
    for stream in range(3):
        assert (np.diff(accesses[stream::3]) == 1).all()


def test_starts_are_in_one_bank_or_spread_over_all() -> None:
    standard = read_standard("ddr4-3200")
    layout = AddressLayout.parse("RoBaRaCoCh", standard)
    for starts, banks in (("same-bank", 1), ("staggered", 8)):
        accesses, _ = accesses_of(AccessPattern(streams=8, starts=starts), standard)
        bank, row = layout.place(accesses[:8], standard)
        assert len(set(bank)) == banks
        assert len(set(row)) == 8


def test_random_blocks_are_whole_and_repeat_by_seed() -> None:
    standard = read_standard("hbm3")
    blocks = AccessPattern(order="random", block_bytes=256, total_bytes=1 << 16)
    accesses, _ = accesses_of(blocks, standard)
    assert (accesses.reshape(-1, 8) == accesses[::8, None] + np.arange(8)).all()
    assert (accesses == accesses_of(blocks, standard)[0]).all()
    assert (accesses != accesses_of(replace(blocks, seed=2), standard)[0]).any()
