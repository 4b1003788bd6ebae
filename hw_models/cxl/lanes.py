"""PCIe lanes under a CXL link: what they carry in one direction before any flit is laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from moe_cosim.errors import InputError

RATES: Final = {"16 GT/s": 16, "32 GT/s": 32, "64 GT/s": 64}
"""PCIe 4.0, 5.0 and 6.0: transfers a second of a lane, in 10^9. One bit each: 64 GT/s are 32 GBd of PAM4."""
WIDTHS: Final = (1, 2, 4, 8, 16)
"""Lanes that CXL trains to (CXL 2.0, section 6.3; x1 and x2 are degraded modes)."""

_BLOCK: Final = 128 / 130
"""128b/130b: two bits of sync header before every 128 (PCIe 5.0, section 4.2.2)."""


@dataclass(frozen=True)
class Lanes:
    """`sync_headers`: whether 128b/130b's are sent at 16 and 32 GT/s. Ends that both can leave them out (sync header
    bypass, CXL 2.0, section 6.8). At 64 GT/s there are none. Raises `InputError` for a rate or width that is none.
    """

    rate: str
    width: int
    sync_headers: bool = False

    def __post_init__(self) -> None:
        if self.rate not in RATES:
            raise InputError("CXL link", "rate", self.rate, RATES)
        if self.width not in WIDTHS:
            raise InputError("CXL link", "lanes", self.width, "1, 2, 4, 8 or 16")

    @property
    def bytes_per_s(self) -> float:
        """Of whole flits, one direction."""
        raw = RATES[self.rate] * 1e9 * self.width / 8
        return raw * _BLOCK if self.sync_headers and self.rate != "64 GT/s" else raw
