"""What to write instead of a quantity in another unit: data sheets speak of transfers, bits and clocks."""

from __future__ import annotations

import re
from typing import Final

_QUANTITY: Final = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?(?:[eE][+-]?\d{1,2})?)\s*([A-Za-zµ/]{1,12})\s*")
_NUMBER: Final = re.compile(r"\s*\d{1,15}(?:\.\d{1,9})?\s*")
_UNIT: Final = {
    "bytes": "GB",
    "bytes/s": "GB/s",
    "ps": "ns",
    "Hz": "GHz",
    "op/s": "TFLOP/s",
    "transfers/s": "MT/s",
}
_SPELT: Final[dict[str, tuple[re.Pattern[str], str]]] = {
    "bytes": (re.compile(r"([kmgtp]i?)b(?:ytes?)?", re.IGNORECASE), "B"),
    "bytes/s": (re.compile(r"([kmgtp]i?)(?:b/s|bps|b/sec|bytes/s)", re.IGNORECASE), "B/s"),
    "Hz": (re.compile(r"([kmgt])hz", re.IGNORECASE), "Hz"),
    "op/s": (re.compile(r"([kmgtp])(?:flops?/?s?|ops?/?s?)", re.IGNORECASE), "FLOP/s"),
    "transfers/s": (re.compile(r"([kmgt])(?:t/s|tps|t/sec)", re.IGNORECASE), "T/s"),
}
_BITS: Final = re.compile(r"([kKMGTP]i?)(?:b|bit|bits|bps|bit/s|b/s|bits/s|bitps)")
_TIMES: Final = {
    "fs": (1e-3, "ps"),
    "sec": (1.0, "s"),
    "seconds": (1.0, "s"),
    "usec": (1.0, "us"),
    "nsec": (1.0, "ns"),
    "min": (60.0, "s"),
    "h": (3600.0, "s"),
}


def meant(text: object, dimension: str) -> str:
    """A hint in brackets, or nothing where nothing can be told."""
    said = _meant(str(text), dimension)
    return f" ({said})" if said else ""


def _meant(text: str, dimension: str) -> str:
    if _NUMBER.fullmatch(text) and dimension in _UNIT:
        return f"with its unit: '{text.strip()} {_UNIT[dimension]}', say"
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return ""
    number, unit = float(match[1]), match[2]
    if (
        dimension in ("bytes", "bytes/s")
        and (bits := _BITS.fullmatch(unit))
        and ("/" in unit or "p" in unit) == (dimension == "bytes/s")
    ):
        base = "B/s" if dimension == "bytes/s" else "B"
        return f"8 bits are a byte: '{number / 8:.6g} {_prefix(bits[1])}{base}'"
    if dimension == "ps" and unit in _TIMES:
        factor, of = _TIMES[unit]
        return f"write '{number * factor:.6g} {of}'"
    if dimension in _SPELT and (spelt := _SPELT[dimension][0].fullmatch(unit)):
        return f"write '{number:.10g} {_prefix(spelt[1])}{_SPELT[dimension][1]}'"
    return _of_another(number, unit, dimension)


def _of_another(number: float, unit: str, dimension: str) -> str:
    transfers, clock = re.fullmatch(r"([kMGT])T/s", unit), re.fullmatch(r"([kMGT])Hz", unit)
    if dimension == "bytes/s" and transfers:
        return f"transfers times bytes of a transfer: of 8 bytes each '{8 * number:.6g} {transfers[1]}B/s'"
    if dimension == "bytes/s" and clock:
        return f"transfers times bytes of a transfer: two of 8 bytes a clock are '{16 * number:.6g} {clock[1]}B/s'"
    if dimension == "Hz" and transfers:
        return f"double data rate moves twice a clock: '{number / 2:.6g} {transfers[1]}Hz'"
    if dimension == "transfers/s" and clock:
        return f"double data rate moves twice a clock: '{2 * number:.6g} {clock[1]}T/s'"
    return ""


def _prefix(written: str) -> str:
    first = "k" if written[0] in "kK" else written[0].upper()
    return first.upper() + "i" if len(written) > 1 else first
