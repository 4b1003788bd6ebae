"""Packs messages slot after slot, as a sender that always has enough of each kind does. Slow and plain."""

from __future__ import annotations

from dataclasses import dataclass

from moe_cosim.hw_models.cxl.flits import LINE_SLOTS, FlitFormat


@dataclass
class Packed:
    flits: int = 0
    header_slots: int = 0
    data_slots: int = 0
    empty_slots: int = 0


def pack_m2s(form: FlitFormat, reads: int, writes: int) -> Packed:
    """Requests before writes wherever both fit and enough are left: writes bring the data that fill slots."""
    done = Packed()
    pending, req, rwd = 0, reads, writes
    while pending or req or rwd:
        done.flits += 1
        if form.all_data and pending >= form.slots:
            done.data_slots += form.slots
            pending -= form.slots
            continue
        sent_req = sent_rwd = 0
        for slot in range(form.slots):
            header_only = slot in form.header_only
            if pending and not header_only:
                pending -= 1
                done.data_slots += 1
                continue
            may_req = req > 0 and sent_req < form.most_req
            may_rwd = rwd > 0 and sent_rwd < form.most_rwd
            # The kind of which more is left, in proportion, goes first.
            if may_req and (not may_rwd or req * writes > rwd * reads):
                req -= 1
                sent_req += 1
            elif may_rwd:
                rwd -= 1
                sent_rwd += 1
                pending += LINE_SLOTS
            else:
                done.empty_slots += 1
                continue
            done.header_slots += 1
    return done


def pack_s2m(form: FlitFormat, reads: int, writes: int, drs_per_slot: int) -> Packed:
    done = Packed()
    per_slot = min(drs_per_slot, form.drs_per_slot)
    riding = form.ndr_with_drs if per_slot == 1 else 0
    pending, drs, ndr = 0, reads, writes
    while pending or drs or ndr:
        done.flits += 1
        if form.all_data and pending >= form.slots:
            done.data_slots += form.slots
            pending -= form.slots
            continue
        sent_drs = sent_ndr = 0
        for slot in range(form.slots):
            if pending and slot not in form.header_only:
                pending -= 1
                done.data_slots += 1
                continue
            may_drs, may_ndr = min(per_slot, drs, form.most_drs - sent_drs), min(ndr, form.most_ndr - sent_ndr)
            alone = min(form.ndr_per_slot, may_ndr)
            if may_drs > 0 and (not alone or drs * max(1, writes - riding * reads) >= (ndr - riding * drs) * reads):
                drs -= int(may_drs)
                sent_drs += int(may_drs)
                pending += LINE_SLOTS * int(may_drs)
                ride = int(min(riding, may_ndr))
                ndr -= ride
                sent_ndr += ride
            elif alone > 0:
                ndr -= int(alone)
                sent_ndr += int(alone)
            else:
                done.empty_slots += 1
                continue
            done.header_slots += 1
    return done


def header_only_slots(form: FlitFormat) -> tuple[int, ...]:
    return (0,) if form.header_slots == 1 else (0, 8)
