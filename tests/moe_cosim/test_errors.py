"""One line that names place, field, what was found and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from moe_cosim.errors import InputError, MoeCosimError, Plain, RunError, one_of


def test_the_line() -> None:
    error = InputError(Path("a.yaml"), "link.rate", "64 GBps", "a rate such as '64 GB/s'")
    assert str(error) == "a.yaml: link.rate: found '64 GBps'; allowed: a rate such as '64 GB/s'"
    assert (error.where, error.field) == ("a.yaml", "link.rate")


def test_a_description_is_not_quoted() -> None:
    assert "found nothing; allowed" in str(InputError("a", "b", Plain("nothing"), "something"))


@pytest.mark.parametrize("found", ["two\nlines", Plain("two\nlines"), ["x"] * 1000, "\r\n" * 9, {"a": "b\n"}])
def test_it_is_one_short_line_whatever_was_found(found: object) -> None:
    line = str(InputError("a", "b", found, "one\nor\nmore"))
    assert len(line.splitlines()) == 1
    assert len(line) < 500


def test_exit_codes() -> None:
    assert issubclass(InputError, MoeCosimError)
    assert issubclass(RunError, MoeCosimError)
    assert (InputError("a", "b", 1, "2").exit_code, RunError("x").exit_code) == (2, 1)


def test_names_are_listed_sorted_with_the_nearest() -> None:
    assert one_of(["b", "a"]) == "one of a, b"
    assert one_of(["lru", "belady"], "lur") == "one of belady, lru (did you mean 'lru'?)"
    assert one_of(["lru", "belady"], "hobbit") == "one of belady, lru"
    assert one_of(iter(["x"]), "x1") == "one of x (did you mean 'x'?)"


def test_legal_names_are_allowed_as_they_are() -> None:
    """What was written is compared with them: the value or, where that is described, the field's own name."""
    line = str(InputError("a.yaml", "policy.name", "lur", {"lru": 1, "belady": 2}))
    assert line == "a.yaml: policy.name: found 'lur'; allowed: one of belady, lru (did you mean 'lru'?)"
    line = str(InputError("a.yaml", "part.pek", Plain("an unknown field"), (name for name in ("peak", "latency"))))
    assert line == "a.yaml: part.pek: found an unknown field; allowed: one of latency, peak (did you mean 'peak'?)"
    assert "mean" not in str(InputError("a.yaml", "policy.name", Plain("nothing"), ["named"]))
    assert "mean" not in str(InputError("a.yaml", "tokens", 32, ["320"]))
