"""One line that names place, field, what was found and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from moe_cosim.errors import InputError, MoeCosimError, Plain, RunError, one_of, what_failed


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


def test_a_path_may_be_meant_by_its_end() -> None:
    paths = ["seed", "workload.batch", "workload.verify.draft.model", "model"]
    assert one_of(paths, "batch").endswith("(did you mean 'workload.batch'?)")
    assert "mean" not in one_of(["links.cxl.rate", "policy.alpha.rate"], "rate")


def test_long_lists_are_shortened_between_names() -> None:
    names = {f"name-{number:04}" for number in range(400)}
    words = str(InputError("a", "b", "name-03999", names)).partition("one of ")[2].replace(",", "").split()
    assert set(words[: words.index("...")]) | set(words[words.index("...") + 1 : words.index("(did")]) <= names
    assert words[-1] == "'name-0399'?)"


def test_what_is_absent_is_nothing() -> None:
    assert str(InputError("a.yaml", "kind", None, "'device'")) == "a.yaml: kind: found nothing; allowed: 'device'"


SOURCES = Path(__file__).parents[2]


def test_no_message_names_an_exception_of_python() -> None:
    """`what_failed` has the words; what fails in code of others (plug-ins, tokenizers) goes by its own."""
    others = {
        "moe_cosim/registry.py",
        "moe_cosim/testing/other_python.py",
        "sim/sensitivity/vary.py",
        "workloads/quantization/measuring/layered_model.py",
        "workloads/quantization/measuring/calibration_tokens.py",
    }
    found = {
        str(path.relative_to(SOURCES))
        for folder in ("moe_cosim", "sim", "hw_models", "workloads")
        for path in (SOURCES / folder).rglob("*.py")
        if "type(error).__name__" in path.read_text(encoding="utf-8")
    }
    assert found == others


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file or directory"),
        IsADirectoryError(21, "Is a directory"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        RecursionError("maximum recursion depth exceeded"),
        MemoryError(),
        EOFError(),
        KeyError("weight_map"),
        KeyError(),
        TypeError("'int' object is not subscriptable"),
        ValueError("columns far larger than the file"),
        ValueError(),
        OSError("not a gzipped file"),
    ],
)
def test_what_failed_is_in_words(error: Exception) -> None:
    said = what_failed(error)
    assert said
    assert "Error" not in said
    assert "object" not in said


def test_legal_names_are_allowed_as_they_are() -> None:
    """What was written is compared with them: the value or, where that is described, the field's own name."""
    line = str(InputError("a.yaml", "policy.name", "lur", {"lru": 1, "belady": 2}))
    assert line == "a.yaml: policy.name: found 'lur'; allowed: one of belady, lru (did you mean 'lru'?)"
    line = str(InputError("a.yaml", "part.pek", Plain("an unknown field"), (name for name in ("peak", "latency"))))
    assert line == "a.yaml: part.pek: found an unknown field; allowed: one of latency, peak (did you mean 'peak'?)"
    assert "mean" not in str(InputError("a.yaml", "policy.name", Plain("nothing"), ["named"]))
    assert "mean" not in str(InputError("a.yaml", "tokens", 32, ["320"]))
