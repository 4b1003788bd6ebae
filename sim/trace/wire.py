"""Protobuf's wire format, for the few packets that say what others mean.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
"""Wire types."""


def key(field: int, wire_type: int) -> int:
    """What stands before a value."""
    return field << 3 | wire_type


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all bytes but the last have the eighth."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def number(field: int, value: int) -> bytes:
    """A field of whole numbers, as a varint."""
    return varint(key(field, VARINT)) + varint(value)


def text(field: int, value: str) -> bytes:
    """A field of UTF-8."""
    return message(field, value.encode())


def message(field: int, *parts: bytes) -> bytes:
    """A field that holds another message, whose fields are `parts`."""
    data = b"".join(parts)
    return varint(key(field, LENGTH)) + varint(len(data)) + data
