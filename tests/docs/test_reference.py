"""The tables of fields have what the code reads: no more, no less."""

from __future__ import annotations

import pytest

from moe_cosim.hw_models.units.described import unit_models
from tests.docs.reference import FILES, meanings, rows

KINDS = (*FILES, *(name for name, _ in unit_models))
"""What `rows` has to have; asking it would read every file of the catalogue to collect tests."""


def test_every_kind_of_file_and_every_unit_model_is_described() -> None:
    assert set(rows()) == set(KINDS)
    assert set(meanings()) == set(rows())


@pytest.mark.parametrize("kind", KINDS)
def test_what_fields_mean_is_said_of_the_fields_that_are_read(kind: str) -> None:
    assert sorted(meanings()[kind]) == sorted(rows()[kind]), f"tests/docs/meanings.yaml: {kind}"


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_says_what_is_allowed(kind: str) -> None:
    found = rows()[kind]
    silent = [
        path
        for path, row in found.items()
        if not row.allowed and isinstance(meanings()[kind][path], str)
        if not any(other.startswith(f"{path}.") for other in found)
    ]
    assert silent == []


def test_known_fields_are_read_with_their_unit_and_limits() -> None:
    memory = {path.removeprefix("memories.NAME."): row for path, row in rows()["device"].items()}
    assert (memory["capacity"].required, memory["capacity"].unit) == (True, "bytes")
    assert (memory["peak"].required, memory["peak"].unit) == (False, "bytes/s"), "flash has peaks of its own"
    assert (memory["speed"].required, memory["speed"].unit) == (False, "MT/s")
    assert memory["channels"].allowed == "constant, a whole number from 1 to 65536"
    assert not memory["kind"].allowed.startswith("constant"), "a word without a source"
    assert not rows()["link"]["peak"].required, "a link may have a protocol instead"
    assert rows()["experiment"]["workload.batch"].default == "1"
