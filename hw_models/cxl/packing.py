"""How many flits a mix of reads and writes takes in each direction.

A read is one M2S Req and, the other way, one S2M DRS with a line of data. A write is one M2S RwD with a
line of data and, the other way, one S2M NDR (CXL 2.0, section 3.3). The counts are those of a direction that always
has something to send: each is the larger of what the slots, the limits of a flit and the places for data need, and
`tests/hw_models/cxl` holds them against a packer that fills slot after slot.
"""

from __future__ import annotations

from dataclasses import dataclass

from moe_cosim.hw_models.cxl.flits import LINE_SLOTS, FlitFormat


@dataclass(frozen=True)
class Flits:
    """Of a mix, on average: to the memory (M2S) and from it (S2M)."""

    m2s: float
    s2m: float


def flits(form: FlitFormat, reads: float, writes: float, drs_per_slot: int = 1) -> Flits:
    """Of `reads` lines read and `writes` lines written, with `drs_per_slot` DRS headers in a slot.

    Fractions are as good: flits of a long mix per line of it.
    """
    per_slot = min(drs_per_slot, form.drs_per_slot)
    with_drs = form.ndr_with_drs if per_slot == 1 else 0
    responses = reads / per_slot + max(0.0, writes - with_drs * reads) / form.ndr_per_slot
    return Flits(
        m2s=_least(form, reads + writes, writes, max(reads / form.most_req, writes / form.most_rwd)),
        s2m=_least(form, responses, reads, max(reads / form.most_drs, writes / form.most_ndr)),
    )


def slots_of_read(form: FlitFormat, drs_per_slot: int = 1) -> tuple[float, float]:
    """Slots (M2S, S2M) that one more line read takes in a mix: its request, and its data with their header.

    Where a flit has more slots for headers alone than its lines have headers, what stays empty counts with the line
    (latency-optimized flits with two DRS in a slot: 2.6 %, of which responses to writes would use some).
    """
    slots = LINE_SLOTS + 1 / min(drs_per_slot, form.drs_per_slot)
    if not form.all_data:
        slots = max(slots, LINE_SLOTS * form.slots / (form.slots - form.header_slots))
    return 1.0, slots


def slots_of_write(form: FlitFormat, drs_per_slot: int = 1) -> tuple[float, float]:
    """Slots (M2S, S2M) that one more line written takes in a mix: its data with their header, and its response."""
    rides = form.ndr_with_drs > 0 and min(drs_per_slot, form.drs_per_slot) == 1
    return LINE_SLOTS + 1.0, 0.0 if rides else 1 / form.ndr_per_slot


def _least(form: FlitFormat, headers: float, lines: float, headed: float) -> float:
    """Flits for `headers` slots of headers and `lines` lines, of which at least `headed` have a header."""
    data = LINE_SLOTS * lines
    everything = (headers + data) / form.slots
    if not form.all_data:
        return max(headed, everything, data / (form.slots - form.header_slots))
    # A flit with a header holds data in all slots but one: flits of data alone hold the rest.
    return max(headed, everything, (data + form.header_slots * headed) / form.slots)
