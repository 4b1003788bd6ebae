"""The flits of CXL: how many slots they have, what fits into one, and what a flit holds at most.

Sources: CXL 2.0, section 4.2.3 (slot formats H3-H5 and G4-G6) and 4.2.5 (packing rules) for 68 B;
CXL 3.1, section 4.3 (256 B flits) for the others.
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
    """Of `flit_bytes` with `slots` slots, of which `header_slots` cannot hold data.

    A message with data takes a slot with its header, then four slots of data, which go on in the next
    flits where the flit ends (rollover). `all_data`: whether a flit may be of data alone, its first slot too; it is
    sent when four slots or more are left over. The most of a message that a flit holds is infinite where the format
    sets no limit.
    """

    name: str
    flit_bytes: int
    slots: int
    header_slots: int
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


FLITS: Final = {
    flit.name: flit
    for flit in (
        FlitFormat(
            name="68",
            flit_bytes=68,  # 4 slots, 2 B of CRC, 2 B of protocol id
            slots=4,
            header_slots=1,
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
            header_slots=1,
            all_data=False,
            drs_per_slot=2,
            ndr_per_slot=2,
            ndr_with_drs=0,
        ),
        FlitFormat(
            name="256-latency-optimized",
            flit_bytes=256,  # two halves with 6 B of CRC each; the half's first slot is too short for data
            slots=15,
            header_slots=2,
            all_data=False,
            drs_per_slot=1,
            ndr_per_slot=1,
            ndr_with_drs=0,
        ),
    )
}
"""By name."""
