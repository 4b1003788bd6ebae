"""What a CSV may hold, through the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sim.tiny import cli
from tests.sim.validate.conftest import KERNELS, LLM, SYSTEMS, Write, is_refused, validated


@pytest.mark.parametrize("value", ["nan", "inf", "0", "-3", "fast", ""])
def test_measurements_are_positive_numbers(write: Write, value: str) -> None:
    found = repr(value) if value else "nothing"
    is_refused(write(KERNELS, {}, {"time_us": value}), "line 3, time_us", found, "a positive number")


@pytest.mark.parametrize("value", ["nan", "1.5", "-1", "1e9"])
def test_counts_are_positive_whole_numbers(write: Write, value: str) -> None:
    is_refused(write(KERNELS, {"tokens": value}), "line 2, tokens", repr(value), "a positive")


@pytest.mark.parametrize("base", [KERNELS, SYSTEMS, LLM])
def test_unknown_columns_are_named(write: Write, base: dict[str, str]) -> None:
    path = write(base, {"time_ms": "3"})
    is_refused(path, "line 1, time_ms", "an unknown column", "fitted")


def test_a_kind_needs_its_columns(write: Write) -> None:
    is_refused(write(KERNELS, {"tokens": None}), "line 1, tokens", "no such column", "time_us", "kernels")
    is_refused(write(KERNELS, {"tokens": None}), "line 1", "columns of no kind", "time_us")


def test_units_and_metrics_of_systems_are_those_that_are_known(write: Write) -> None:
    is_refused(write(SYSTEMS, {"unit": "tokens/min"}), "line 2, unit", "'tokens/min'", "one of t/s, tok/s, tokens/s")
    is_refused(write(SYSTEMS, {"metric": "speed"}), "line 2, metric", "'speed'", "decode_tokens_per_s")
    is_refused(write(SYSTEMS, {"metric": "end_to_end_s"}), "line 2, unit", "'tokens/s'", "one of ms, s, us")


def test_fitted_is_true_or_false(write: Write) -> None:
    is_refused(write(KERNELS, {"fitted": "perhaps"}), "line 2, fitted", "'perhaps'", "true or false")


@pytest.mark.parametrize(
    ("text", "field", "found"),
    [
        ("", "line 1", "an empty file"),
        ("\n\n", "line 1", "an empty file"),
        (",".join(KERNELS) + "\n", "line 2", "no rows"),
        (",".join(KERNELS) + "\n1,2\n", "line 2, dtype", "2 values"),
        (",".join([*KERNELS, "tokens"]) + "\n", "line 1, tokens", "this column twice"),
        (",".join(KERNELS) + '\n"H100', "line 2", "unexpected end"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, text: str, field: str, found: str) -> None:
    path = tmp_path / "measured.csv"
    path.write_text(text)
    is_refused(path, field, found, "", "kernels")


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    is_refused(tmp_path / "none.csv", "file", "nothing there", "a readable UTF-8 CSV file")
    is_refused(tmp_path, "file", "Is a directory", "a readable UTF-8 CSV file", "llm")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe")
    is_refused(tmp_path / "bytes.csv", "file", "bytes that are no UTF-8", "a readable UTF-8 CSV file")


def test_an_unknown_kind_is_named() -> None:
    found = cli("validate", "kernel")
    assert found.exit_code == 2
    assert found.stderr == (
        "moe-cosim: validate: kind: found 'kernel'; allowed: one of cxl, dram, flash, kernels, llm, systems "
        "(did you mean 'kernels'?)\n"
    )


def test_lines_are_counted_as_editors_do(tmp_path: Path) -> None:
    """A blank line is one, and so is each line of a quoted value."""
    path = tmp_path / "measured.csv"
    values = dict(KERNELS, model_shape='"two\nlines"')
    path.write_text(f"{','.join(KERNELS)}\n\n{','.join(values.values())}\n{','.join(KERNELS.values())}\n")
    assert [row["line"] for row in validated("--data", path)["rows"]] == [3, 5]


def test_the_same_row_again_counts_once(write: Write) -> None:
    printed = validated("--data", write(KERNELS, {}, {"tokens": "32"}, {}))
    assert printed["n"] == 2
    assert [(row["line"], row["why"]) for row in printed["refused"]] == [(4, "the same as line 2 of measured.csv")]
