"""Numbers with units: what is read, what is refused, and that what is shown reads back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_cosim.errors import InputError
from moe_cosim.quantity import DIMENSIONS, format_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("80 GB", "bytes", 80e9),
        ("4 KiB", "bytes", 4096),
        ("1 TiB", "bytes", 2**40),
        ("7B", "bytes", 7),
        ("3.35 TB/s", "bytes/s", 3.35e12),
        ("64 GiB/s", "bytes/s", 64 * 2**30),
        ("unlimited", "bytes/s", math.inf),
        ("150 ns", "ps", 150e3),
        ("2 us", "ps", 2e6),
        ("2 µs", "ps", 2e6),
        ("1.5e-3 s", "ps", 1.5e9),
        ("1 GHz", "Hz", 1e9),
        ("989.4 TFLOP/s", "op/s", 989.4e12),
        ("1.024 TMAC/s", "op/s", 1.024e12),
        ("8533 MT/s", "transfers/s", 8533e6),
        (" 0  ns ", "ps", 0),
        (0.5, "number", 0.5),
        (-3, "number", -3.0),
    ],
)
def test_what_is_read(text: object, dimension: str, value: float) -> None:
    assert parse_quantity(text, dimension, "x", "y") == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("64 GBps", "bytes/s"),
        ("64 Gb/s", "bytes/s"),
        ("64 gB/s", "bytes/s"),
        ("64", "bytes/s"),
        (64, "bytes/s"),
        ("64 GB", "bytes/s"),
        ("64 GB/s", "bytes"),
        ("-1 GB", "bytes"),
        ("1 GB extra", "bytes"),
        ("1,5 GB", "bytes"),
        ("nan GB", "bytes"),
        ("inf GB", "bytes"),
        ("1e400 GB", "bytes"),
        ("unlimited", "bytes"),
        ("unlimited", "ps"),
        ("", "ps"),
        (None, "ps"),
        (True, "number"),
        ("3", "number"),
        (math.nan, "number"),
        (math.inf, "number"),
        ([1], "number"),
    ],
)
def test_what_is_refused(text: object, dimension: str) -> None:
    with pytest.raises(InputError) as error:
        parse_quantity(text, dimension, "a.yaml", "link.rate")
    assert str(error.value).startswith("a.yaml: link.rate: found ")
    assert "; allowed: a " in str(error.value)


@pytest.mark.parametrize("dimension", DIMENSIONS)
@given(value=st.floats(1e-2, 1e17))
def test_what_is_shown_reads_back(dimension: str, value: float) -> None:
    shown = format_quantity(value, dimension)
    read = parse_quantity(float(shown) if dimension == "number" else shown, dimension, "x", "y")
    assert read == pytest.approx(value, rel=1e-3 if dimension != "number" else 1e-5)


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (3.35e12, "bytes/s", "3.35 TB/s"),
        (150e3, "ps", "150 ns"),
        (80e9, "bytes", "80 GB"),
        (0, "bytes", "0 B"),
        (0, "ps", "0 ps"),
        (math.inf, "bytes/s", "unlimited"),
        (989.4e12, "op/s", "989.4 TFLOP/s"),
        (0.5, "number", "0.5"),
    ],
)
def test_how_it_is_shown(value: float, dimension: str, text: str) -> None:
    assert format_quantity(value, dimension) == text


@pytest.mark.parametrize(
    ("text", "dimension", "hint"),
    [
        ("4800 MT/s", "bytes/s", "transfers times bytes of a transfer: of 8 bytes each '38400 MB/s'"),
        ("2400 MHz", "bytes/s", "two of 8 bytes a clock are '38400 MB/s'"),
        ("64 Gb/s", "bytes/s", "8 bits are a byte: '8 GB/s'"),
        ("400 Gbps", "bytes/s", "8 bits are a byte: '50 GB/s'"),
        ("64 GBps", "bytes/s", "write '64 GB/s'"),
        ("64 gib/s", "bytes/s", "write '64 GiB/s'"),
        (64, "bytes/s", "with its unit: '64 GB/s', say"),
        ("16 Gb", "bytes", "8 bits are a byte: '2 GB'"),
        ("80 gb", "bytes", "write '80 GB'"),
        ("4800 MT/s", "Hz", "double data rate moves twice a clock: '2400 MHz'"),
        ("2400 MHz", "transfers/s", "double data rate moves twice a clock: '4800 MT/s'"),
        ("5 min", "ps", "write '300 s'"),
        ("3 fs", "ps", "write '0.003 ps'"),
        ("989.4 TFLOPS", "op/s", "write '989.4 TFLOP/s'"),
        ("64 parsecs", "ps", None),
        ("x" * 10_000, "bytes", None),
        ("9" * 10_000 + " GB", "bytes", None),
        ([64], "bytes", None),
    ],
)
def test_what_to_write_instead_is_said_and_can_be_read(text: object, dimension: str, hint: str | None) -> None:
    with pytest.raises(InputError) as caught:
        parse_quantity(text, dimension, "x", "y")
    said = str(caught.value).partition("; allowed: ")[2]
    if hint is not None:
        assert hint in said
        parse_quantity(hint.split("'")[1], dimension, "x", "y")
    else:
        assert "(" not in said
