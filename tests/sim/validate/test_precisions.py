"""Which format a precision means."""

from __future__ import annotations

import pytest

from moe_cosim.hw_models.formats import formats
from moe_cosim.sim.validate.names.precisions import find_precision


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("bfloat16", "bf16"),
        ("BF16", "bf16"),
        ("float16", "fp16"),
        ("fp8 w8a8", "fp8"),
        ("fp8_w8a8", "fp8"),
        ("fp8_block", "fp8-block"),
        ("int4_w4a16", "int4"),
        ("AWQ", "int4"),
        ("mxfp4", "mxfp4"),
        ("Q4_K_M", "q4_k_m"),
    ],
)
def test_as_frameworks_and_tables_say(text: str, name: str) -> None:
    found = find_precision(text)
    assert found is not None
    assert found.name == name


def test_every_format_by_its_own_name() -> None:
    for name, each in formats:
        assert find_precision(name) is each
        assert find_precision(name.upper()) is each


@pytest.mark.parametrize("text", ["", "fp13", "fp8 or so", "4"])
def test_what_is_none(text: str) -> None:
    assert find_precision(text) is None
