"""The flits of CXL: how many slots they have, what fits into one, and what a flit holds at most.

Source: CXL 3.1, whose numbers for 68 B flits are those of 2.0: tables 4-7 and 4-8 (slot formats) and section 4.2.5
(packing rules, the most of a message in a flit) for 68 B; figures 4-41 and 4-42, tables 4-14 to 4-16 and section 4.3.4
with table 4-18 for 256 B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SLOT_BYTES: Final = 16
LINE_BYTES: Final = 64
"""What one CXL.mem request reads or writes (CXL 2.0, section 3.3)."""
LINE_SLOTS: Final = LINE_BYTES // SLOT_BYTES


@dataclass(frozen=True)
class FlitFormat:
    """Of `flit_bytes` with `slots` slots, of which those in `header_only` cannot hold data.

    A message with data takes a slot with its header, then four slots of data, which go on in the next
    flits where the flit ends (rollover). `all_data`: whether a flit may be of data alone, its first slot too; it is
    sent when four slots or more are left over. The most of a message that a flit holds is infinite where the format
    sets no limit.
    """

    name: str
    flit_bytes: int
    slots: int
    header_only: tuple[int, ...]
    all_data: bool
    drs_per_slot: int
    """Headers of S2M DRS that the smallest slot for them holds."""
    ndr_per_slot: int
    ndr_with_drs: int
    """S2M NDR that travel in the slot of one DRS header, for nothing."""
    most_req: float = math.inf
    most_rwd: float = math.inf
    most_ndr: float = math.inf
    most_drs: float = math.inf

    @property
    def header_slots(self) -> int:
        """How many slots of a flit cannot hold data."""
        return len(self.header_only)


_TWO_GROUPS: Final = {"most_req": 8, "most_rwd": 4, "most_ndr": 12, "most_drs": 6}
"""Of each 128 B group of slots a half of these (CXL 3.1, table 4-18); a 256 B flit has two."""

FLITS: Final = {
    flit.name: flit
    for flit in (
        FlitFormat(
            name="68",
            flit_bytes=68,  # 4 slots, 2 B of CRC, 2 B of protocol id
            slots=4,
            header_only=(0,),
            all_data=True,
            drs_per_slot=2,  # H5; G6 has 3
            ndr_per_slot=2,  # H4, G5
            ndr_with_drs=1,  # H3; G4 has 2
            most_req=2,
            most_rwd=1,
            most_ndr=2,
            most_drs=3,
        ),
        FlitFormat(
            name="256",
            flit_bytes=256,  # 2 B header, slots of 14 and 14 x 16 B, 2 B credits, 8 B CRC, 6 B FEC
            slots=15,
            header_only=(0,),
            all_data=False,
            drs_per_slot=2,  # H15; G15 has 3
            ndr_per_slot=2,  # H7; G7 has 3
            ndr_with_drs=0,
            **_TWO_GROUPS,
        ),
        FlitFormat(
            name="256-latency-optimized",
            flit_bytes=256,  # two halves with 6 B of CRC each; slots 0 (14 B) and 8 (12 B) are too short for data
            slots=15,
            header_only=(0, 8),
            all_data=False,
            drs_per_slot=2,  # HS15
            ndr_per_slot=2,  # HS7
            ndr_with_drs=0,
            **_TWO_GROUPS,
        ),
    )
}
"""By name."""
