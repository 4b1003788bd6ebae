"""Some of many: draws of random programs, or parts of the catalogue, each time; all of them in ``make test-slow``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given, settings

Test = Callable[..., None]


def drawn(few: int, many: int, **strategies: Any) -> Callable[[Test], Test]:
    """A test of `few` draws of its arguments, and as ``slow`` of `many`."""

    def of(test: Test) -> Test:
        @pytest.mark.parametrize("draws", [few, pytest.param(many, marks=pytest.mark.slow)])
        def tried(draws: int) -> None:
            settings(max_examples=draws, deadline=None)(given(**strategies)(test))()

        tried.__name__, tried.__doc__, tried.__module__ = test.__name__, test.__doc__, test.__module__
        return tried

    return of


def one_in(every: int, values: Iterable[Any]) -> list[Any]:
    """Parameters of a test: the others than each `every`-th are ``slow``."""
    return [pytest.param(value, marks=[pytest.mark.slow] if at % every else []) for at, value in enumerate(values)]
