"""Options of plug-ins: what is refused, in which words, and what tables show of them."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from moe_cosim.errors import InputError
from moe_cosim.options import EXPERTS, OptionRow, Options, option, option_rows, read_options


class Sample(Options):
    slots: int | None = option(None, "slots per layer", unit="experts", ge=1, at_most=EXPERTS)
    share: float = option(0.5, "a share", gt=0, lt=1)
    ahead: bool = option(False, "look ahead")
    order: Literal["fifo", "lifo"] = option("fifo", "who goes first")
    file: str = option(..., "where it is", allowed="the path of a file")
    tokens: int = option(3, "tokens", ge=0, le=7)
    least: int = option(1, "at least one", ge=1)


def read(**given: Any) -> Sample:
    return read_options(Sample, {"file": "x", **given}, "a.yaml", "part", {EXPERTS: 8})


def test_defaults_and_given_values() -> None:
    found = read(slots=8, share=0.25, ahead=True)
    assert (found.slots, found.share, found.ahead, found.order, found.file) == (8, 0.25, True, "fifo", "x")
    assert read(slots=None).slots is None


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"slots": 9}, "part.slots: found 9; allowed: a whole number from 1 to 8, or null"),
        ({"slots": 0}, "part.slots: found 0; allowed: a whole number from 1 to 8, or null"),
        ({"slots": True}, "part.slots: found True; allowed: a whole number from 1 to 8, or null"),
        ({"slots": 2.0}, "part.slots: found 2.0; allowed: a whole number from 1 to 8, or null"),
        ({"share": 1}, "part.share: found 1; allowed: a number above 0 and below 1"),
        ({"share": "0.5"}, "part.share: found '0.5'; allowed: a number above 0 and below 1"),
        ({"share": float("nan")}, "part.share: found nan; allowed: a number above 0 and below 1"),
        ({"share": None}, "part.share: found nothing; allowed: a number above 0 and below 1"),
        ({"ahead": 1}, "part.ahead: found 1; allowed: true or false"),
        ({"order": "fife"}, "part.order: found 'fife'; allowed: one of fifo, lifo"),
        ({"file": 7}, "part.file: found 7; allowed: the path of a file"),
        ({"tokens": 8}, "part.tokens: found 8; allowed: a whole number from 0 to 7"),
        ({"tokens": [1]}, "part.tokens: found [1]; allowed: a whole number from 0 to 7"),
        ({"least": 0}, "part.least: found 0; allowed: a whole number from 1"),
        (
            {"slotz": 1},
            "part.slotz: found an unknown option; allowed: one of ahead, file, least, order, share, slots, tokens "
            "(did you mean 'slots'?)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(given: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as error:
        read(**given)
    assert str(error.value) == f"a.yaml: {line}"


def test_what_has_to_be_given() -> None:
    with pytest.raises(InputError, match=r"a.yaml: part.file: found nothing; allowed: the path of a file"):
        read_options(Sample, {}, "a.yaml", "part")


def test_a_plug_in_without_options() -> None:
    assert read_options(Options, {}, "a.yaml", "part") == Options()
    with pytest.raises(InputError, match=r"part.x: found an unknown option; allowed: no options"):
        read_options(Options, {"x": 1}, "a.yaml", "part")


def test_rows_for_tables() -> None:
    rows = {row.field: row for row in option_rows(Sample)}
    assert list(rows) == list(Sample.model_fields)
    allowed = "a whole number from 1 to the experts of a layer, or null"
    assert rows["slots"] == OptionRow("slots", None, False, allowed, "experts", "slots per layer")
    assert rows["file"] == OptionRow("file", None, True, "the path of a file", "", "where it is")
    assert rows["share"].default == 0.5


def test_options_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read().tokens = 5  # type: ignore[misc]
