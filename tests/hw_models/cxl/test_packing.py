"""Flits of a mix: closed forms, a packer that goes slot after slot, and what must hold of every mix."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.hw_models.cxl.flits import FLITS, LINE_BYTES
from moe_cosim.hw_models.cxl.lanes import RATES, WIDTHS, Lanes
from moe_cosim.hw_models.cxl.packing import flits, slots_of_read, slots_of_write
from moe_cosim.hw_models.cxl.protocol import CxlProtocol
from tests.hw_models.cxl.slot_packer import pack_m2s, pack_s2m

GEN5 = Lanes("32 GT/s", 16)
GEN6 = Lanes("64 GT/s", 16)

formats = st.sampled_from(list(FLITS.values()))
shares = st.floats(0, 1)


@given(formats, st.integers(0, 12), st.integers(0, 12), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_counts_are_those_of_a_packer_that_goes_slot_after_slot(form, reads, writes, per_slot):
    times = max(1, 600 // max(1, reads + writes))
    reads, writes = reads * times, writes * times
    found = flits(form, reads, writes, per_slot)
    to_memory, from_memory = pack_m2s(form, reads, writes), pack_s2m(form, reads, writes, per_slot)
    # No packer does better, and the direction that limits the mix is as the packer has it.
    assert to_memory.flits >= found.m2s - 1e-6
    assert from_memory.flits >= found.s2m - 1e-6
    assert max(to_memory.flits, from_memory.flits) == pytest.approx(max(found.m2s, found.s2m), rel=0.005, abs=4)


@given(formats, st.integers(0, 200), st.integers(0, 200), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_every_slot_holds_a_header_or_data_or_nothing(form, reads, writes, per_slot):
    for packed, lines in (
        (pack_m2s(form, reads, writes), writes),
        (pack_s2m(form, reads, writes, per_slot), reads),
    ):
        assert packed.data_slots == 4 * lines
        assert packed.header_slots + packed.data_slots + packed.empty_slots == packed.flits * form.slots


@pytest.mark.parametrize(
    ("flit", "lanes", "read_share", "gigabytes"),
    [
        ("68", GEN5, 1.0, Fraction(4, 5) * Fraction(64, 68) * 64),  # 48.2: a header slot and four of data
        ("68", GEN5, 0.0, Fraction(4, 5) * Fraction(64, 68) * 64),
        ("68", GEN5, 0.5, Fraction(64, 68) * 64 * 2 * 4 / 6),  # a write's five slots share M2S with a request
        ("68", Lanes("16 GT/s", 8), 1.0, Fraction(4, 5) * Fraction(64, 68) * 16),
        ("256", GEN6, 1.0, Fraction(3, 4) * 128),  # 15 slots of 256 B are three lines with their headers
        ("256", GEN6, 0.5, Fraction(64, 256) * 15 * 128 * 2 / 6),
        ("256-latency-optimized", GEN6, 1.0, Fraction(3, 4) * 128),
    ],
)
def test_closed_forms(flit, lanes, read_share, gigabytes):
    assert CxlProtocol(flit, lanes).bytes_per_s(read_share) == pytest.approx(float(gigabytes) * 1e9)


@pytest.mark.parametrize(("flit", "slots"), [("68", 5), ("256", 5.5), ("256-latency-optimized", 5.5)])
def test_a_write_s_response_rides_beside_one_of_data_in_68_byte_flits_alone(flit, slots):
    """A line read and one written: data, its header, and the other's response, in H3 for nothing, else half a slot."""
    form = FLITS[flit]
    assert flits(form, 1, 1).s2m == pytest.approx(slots / form.slots)


@pytest.mark.parametrize("flit", list(FLITS))
def test_one_more_line_takes_its_slots(flit):
    """Of a mix of twice as many reads as writes."""
    form, before = FLITS[flit], flits(FLITS[flit], 100, 50)
    for more, slots in ((flits(form, 101, 50), slots_of_read(form)), (flits(form, 100, 51), slots_of_write(form))):
        found = (more.m2s - before.m2s) * form.slots, (more.s2m - before.s2m) * form.slots
        assert found == pytest.approx(slots)


def test_two_headers_in_a_slot_save_half_a_slot_a_line():
    assert CxlProtocol("68", GEN5, drs_per_slot=2).bytes_per_s(1.0) == pytest.approx(8 / 9 * 64 / 68 * 64e9)


def test_sync_headers_take_two_bits_of_130_where_there_are_any():
    def rate(lanes: Lanes) -> float:
        return CxlProtocol("256", lanes).bytes_per_s(1.0)

    assert rate(Lanes("32 GT/s", 16, sync_headers=True)) == pytest.approx(rate(GEN5) * 128 / 130)
    assert rate(Lanes("64 GT/s", 16, sync_headers=True)) == rate(GEN6)


@given(formats, shares)
def test_no_direction_carries_more_data_than_bytes(form, share):
    wire = CxlProtocol(form.name, GEN5).wire_bytes(share)
    assert wire.s2m >= share - 1e-9
    assert wire.m2s >= 1 - share - 1e-9


@given(formats, shares, shares)
def test_more_reads_beside_the_same_writes_need_no_fewer_flits(form, one, other):
    few, many = (flits(form, reads, 1.0) for reads in sorted((one, other)))
    assert many.m2s >= few.m2s - 1e-9
    assert many.s2m >= few.s2m - 1e-9


@given(formats, shares, st.integers(1, 3))
def test_a_mix_is_never_worse_than_its_parts_one_after_the_other(form, share, per_slot):
    protocol = CxlProtocol(form.name, GEN5, per_slot)
    apart = share / protocol.bytes_per_s(1.0) + (1 - share) / protocol.bytes_per_s(0.0)
    assert 1 / protocol.bytes_per_s(share) <= apart * (1 + 1e-9)


@given(formats, shares, st.floats(1e4, 1e7))
def test_as_many_credits_as_lines_in_flight_give_the_full_rate(form, share, round_trip_ps):
    protocol = CxlProtocol(form.name, GEN5)
    enough = protocol.lines_in_flight(share, round_trip_ps)
    assert protocol.with_credits(share, enough, round_trip_ps) == pytest.approx(protocol.bytes_per_s(share))
    assert protocol.with_credits(1.0, 1, round_trip_ps) <= LINE_BYTES * 1e12 / round_trip_ps * (1 + 1e-9)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("rate", RATES)
def test_lanes_carry_a_bit_a_transfer(rate, width):
    assert Lanes(rate, width).bytes_per_s == RATES[rate] * 1e9 * width / 8


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: CxlProtocol("128", GEN5), "flit: found '128'"),
        (lambda: CxlProtocol("68", GEN6), "allowed: 256 or 256-latency-optimized at 64 GT/s"),
        (lambda: CxlProtocol("68", GEN5, drs_per_slot=0), "drs_per_slot: found 0"),
        (lambda: Lanes("32 GT/s", 0), "lanes: found 0"),
        (lambda: Lanes("31 GT/s", 16), "rate: found '31 GT/s'"),
    ],
)
def test_what_cannot_be_is_one_line(make, says):
    with pytest.raises(InputError) as caught:
        make()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("share", "lines_per_us"), [(1.0, 10), (0.0, 10), (0.5, 20), (0.75, 40 / 3)])
def test_few_credits_give_their_lines_a_round_trip(share: float, lines_per_us: float) -> None:
    """Little's law: reads and writes have ten each, and the kind of which there are more holds up the mix."""
    protocol = CxlProtocol("68", Lanes("32 GT/s", 16))
    assert protocol.with_credits(share, 10, 1_000_000) == pytest.approx(lines_per_us * LINE_BYTES * 1e6)


@pytest.mark.parametrize(
    ("flit", "read"),
    [
        ("68", 4.5),
        ("256", 4.5),
        ("256-latency-optimized", 4 * 15 / 13),  # 13 slots of a flit hold data: two stay for headers alone
    ],
)
def test_where_two_headers_share_a_slot_a_response_takes_half_of_its_own(flit: str, read: float) -> None:
    """Slots to the memory and from it of a line read, and of one written (CXL 3.1: H5 and H4, H15 and H7)."""
    assert slots_of_read(FLITS[flit], 2) == pytest.approx((1, read))
    assert slots_of_write(FLITS[flit], 2) == pytest.approx((5, 0.5))
