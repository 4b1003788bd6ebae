"""What strangers write where something else was meant."""

from __future__ import annotations

from random import Random
from typing import Any, Final

DIGITS: Final = "digits-5000"
"""Stands for an integer of 5,000 digits, which Python itself does not print: `syntax.digits` puts it in."""

NUMBERS: Final[tuple[Any, ...]] = (
    *(0, -1, 1, 2, 7, 255, 65_535, 65_536),
    *(2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), 10**40),
    *(0.0, -0.0, 0.1, -0.5, 1.5, 1e-300, 5e-324, 1e18, 1e300, 1.7e308),
    *(float("nan"), float("inf"), float("-inf"), True, False, DIGITS),
)

TEXTS: Final = (
    *(
        "",
        " ",
        "\n",
        "a\nb",
        "a\r\nb",
        "\t",
        "\x00",
        "\x1b[2J\x1b]0;x\x07",
        "\x7f",
        "\x85",
        "\u2028",
        "\u202e",
        "\ufeff",
    ),
    *("[/b]", "[bold red]x", "[link=http://x]", "{{ 7*7 }}", "{% for x in y %}", "${HOME}", "%s%n", "<script>", "|x|"),
    *("$(touch PWNED)", "`touch PWNED`", "'; touch PWNED; '", '"""\nimport os; os.mkdir("PWNED")\n"""', "=cmd|'x'!A0"),
    *("../../PWNED", "../PWNED.yaml", "/dev/null", "/dev/full", "/etc/passwd", ".", "/", "~", "./", "x.json", "x.yaml"),
    *("a" * 5_000, "é" * 200, "/" * 300, "../" * 200, "a/" * 2_000 + ".json", "😀", "\\", "'", '"', "#", "null", "yes"),
    *("nan", "inf", "-1", "1e400", "0x10", "010", "1:40", "1_000", "int4", "fp64", "cxl-ndp", "h100-sxm", "1" * 300),
)

QUANTITIES: Final = (
    *(
        "4800 MT/s",
        "64 Gb/s",
        "64 GBps",
        "1 GHz",
        "64 GB/s",
        "0 GB/s",
        "-1 GB/s",
        "1e308 GB/s",
        "1e-300 GB/s",
        "1e400 s",
    ),
    *("0 ns", "1e7 s", "0.001 ps", "1 fs", "9e99 B", "1 TiB", "80GB", "80 gb", "unlimited", "NaN GB/s", "inf B", "5 %"),
    *("1" * 400 + " GB", "12 parsecs", "1 MHz", "64 MB/s", "1 EB", "1e15 B/s", "100 us"),
)


def any_value(random: Random) -> Any:
    """A number, a text, a quantity, nothing, or a small collection."""
    kind = random.randrange(10)
    if kind < 4:
        return random.choice(NUMBERS)
    if kind < 7:
        return random.choice(TEXTS)
    if kind < 8:
        return random.choice(QUANTITIES)
    return random.choice(
        ((), {}, None, [[]], [0], [None], {"": 1}, {"a": {"b": []}}, [1e308] * 3, {"use": "x"}, ["x"] * 50)
    )


def near(random: Random, value: Any) -> Any:
    """Something like `value`: another size, sign, type or spelling."""
    if isinstance(value, bool):
        return random.choice((not value, int(value), str(value).lower(), None))
    if isinstance(value, int | float):
        other: tuple[Any, ...] = (
            value + 1,
            value * 2,
            value + 1,
            max(value - 1, 0),
            -value,
            value / 2,
            str(value),
            [value],
        )
        return random.choice(other)
    if isinstance(value, str):
        return _text_near(random, value)
    return [value]


def _text_near(random: Random, text: str) -> Any:
    place = random.randrange(len(text) + 1)
    kind = random.randrange(6)
    if kind == 0:
        return text[:place]
    if kind == 1:
        return text[:place] + random.choice(TEXTS) + text[place:]
    if kind == 2:
        return text.upper() if text.upper() != text else text.lower()
    if kind == 3:
        return text + random.choice((" ", "s", "/", ".yaml", ".json", "\n"))
    if kind == 4:
        return {"use": text, "name": text, "value": text}
    return "".join(random.choice("0123456789") if letter.isdigit() else letter for letter in text)
