"""Which bank and row an address is in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moe_cosim.errors import InputError
from moe_cosim.hw_models.dram_timing.standard import DramStandard

_FIELD: Final = re.compile(r"(PseudoChannel|Rank|BankGroup|Bank|Column|Row)\[(\d{1,2})\]")
_LINE_BYTES: Final = 64
"""What a processor asks for at once."""

NAMED: Final = ("RoBaRaCoCh", "RoRaBaCoBgPc", "MOP4CLXOR")
_ALSO: Final = {"BGIL": "RoRaBaCoBgPc", "BGIL_RoRaBaCoBgPc": "RoRaBaCoBgPc"}


@dataclass(frozen=True)
class AddressLayout:
    """Bits of an address within a channel, above the bytes of an access, from the lowest up.

    Named ones, from the highest bits down: ``RoBaRaCoCh`` walks a row before it goes to the next bank;
    ``RoRaBaCoBgPc`` gives each line of 64 B to the next pseudo-channel and bank group; ``MOP4CLXOR`` (Kaseridis et
    al., MICRO 2011) leaves after four accesses and mixes column bits into the bank.
    """

    fields: tuple[tuple[str, int], ...]
    """(level, bits)."""
    xor_columns: bool = False

    @classmethod
    def parse(
        cls, text: str, standard: DramStandard, where: object = "controller", field: str = "mapping"
    ) -> AddressLayout:
        """A name, or the fields (``Column[1] BankGroup[2] ...``). Raises `InputError` unless each level's bits are
        covered once."""
        bits = _bits(standard)
        name = _ALSO.get(text, text)
        if name in NAMED:
            return cls(_named(name, bits, standard), name == "MOP4CLXOR")
        fields = tuple((level, int(width)) for level, width in _FIELD.findall(text))
        if not fields or _FIELD.sub("", text).strip():
            levels = ", ".join(f"{level}[bits]" for level in bits)
            raise InputError(where, "mapping", text, f"one of {', '.join(NAMED)}, or fields of {levels}, lowest first")
        for level, all_bits in bits.items():
            covered = sum(width for one, width in fields if one == level)
            if covered != all_bits:
                allowed = f"{all_bits} bits of {level}, not {covered}"
                raise InputError(where, "mapping", text, allowed)
        return cls(fields)

    def place(self, accesses: NDArray[np.int64], standard: DramStandard) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(bank, row) of accesses, numbered from the start of the channel."""
        rest = accesses
        values = {level: np.zeros_like(accesses) for level in _bits(standard)}
        filled = dict.fromkeys(values, 0)
        for level, width in self.fields:
            values[level] |= (rest & ((1 << width) - 1)) << filled[level]
            filled[level] += width
            rest = rest >> width
        if self.xor_columns:
            mixed = 0
            for level in ("PseudoChannel", "Rank", "BankGroup", "Bank", "Row"):
                values[level] ^= (values["Column"] >> mixed) & ((1 << filled[level]) - 1)
                mixed += filled[level]
        bank = values["PseudoChannel"]
        for level, count in (
            ("Rank", standard.ranks),
            ("BankGroup", standard.bank_groups),
            ("Bank", standard.banks_per_group),
        ):
            bank = bank * count + values[level]
        return bank, values["Row"]


def _bits(standard: DramStandard) -> dict[str, int]:
    counts = {
        "PseudoChannel": standard.pseudo_channels,
        "Rank": standard.ranks,
        "BankGroup": standard.bank_groups,
        "Bank": standard.banks_per_group,
        "Column": standard.columns,
        "Row": standard.rows,
    }
    return {level: count.bit_length() - 1 for level, count in counts.items()}


def _named(name: str, bits: dict[str, int], standard: DramStandard) -> tuple[tuple[str, int], ...]:
    if name == "RoRaBaCoBgPc":
        line = min(bits["Column"], max(0, (_LINE_BYTES // standard.access_bytes).bit_length() - 1))
        order = ("PseudoChannel", "BankGroup", "Column", "Bank", "Rank", "Row")
    else:
        line = min(bits["Column"], 2) if name == "MOP4CLXOR" else bits["Column"]
        order = ("PseudoChannel", "Rank", "BankGroup", "Bank", "Column", "Row")
    rest = {**bits, "Column": bits["Column"] - line}
    return (("Column", line), *((level, rest[level]) for level in order))
