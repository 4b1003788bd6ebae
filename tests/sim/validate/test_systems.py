"""Systems: experiments beside a CSV, and what their runs say."""

from __future__ import annotations

import pytest

from moe_cosim.sim.run import run
from tests.sim.tiny import Tiny
from tests.sim.validate.conftest import SYSTEMS, Write, validated


def test_each_metric_is_that_of_the_experiments_run(tiny: Tiny, write: Write) -> None:
    result = run(tiny.path, keep=())
    expected = {
        ("decode_tokens_per_s", "tok/s"): result.decode_tokens_per_s,
        ("decode_s_per_token", "ms/token"): result.decode_s / 2 * 1e3,
        ("prefill_tokens_per_s", "tokens/s"): 4 / result.time_to_first_token_s,
        ("time_to_first_token_s", "us"): result.time_to_first_token_s * 1e6,
        ("end_to_end_tokens_per_s", "tokens/s"): result.end_to_end_tokens_per_s,
        ("end_to_end_s", "s"): result.end_to_end_s,
    }
    path = write(SYSTEMS, *({"metric": metric, "unit": unit} for metric, unit in expected))
    printed = validated("systems", "--data", path)
    assert {(row["metric"], row["unit"]): row["predicted"] for row in printed["rows"]} == pytest.approx(expected)
    assert {row["groups"]["machine"] for row in printed["rows"]} == {"h100-cxl-ndp"}


@pytest.mark.parametrize(("short", "name", "unit"), [("TTFT", "time_to_first_token_s", "ms"), ("decode", "", "t/s")])
def test_short_names_are_those_that_people_write(tiny: Tiny, write: Write, short: str, name: str, unit: str) -> None:
    path = write(SYSTEMS, {"metric": short, "unit": unit}, {"metric": name or SYSTEMS["metric"], "unit": unit})
    one, other = validated("--data", path)["rows"]
    assert (one["metric"], one["predicted"]) == (other["metric"], other["predicted"])


def test_paths_start_at_the_csv_and_names_are_those_that_ship(tiny: Tiny, write: Write) -> None:
    (tiny.folder / "below").mkdir()
    tiny.path.rename(tiny.folder / "below" / "moved.yaml")
    tiny.write_model().rename(tiny.folder / "below" / "model.json")
    path = write(SYSTEMS, {"experiment": "below/moved.yaml"}, {"experiment": "nowhere.yaml"})
    printed = validated("--data", path)
    assert [row["what"] for row in printed["rows"]] == ["tiny"]
    (refused,) = printed["refused"]
    assert "no such file or name" in refused["why"]


def test_an_experiment_that_cannot_run_is_refused_and_the_others_run(tiny: Tiny, write: Write) -> None:
    text = tiny.path.read_text()
    (tiny.folder / "unknown.yaml").write_text(text.replace("h100-cxl-ndp", "abacus-3"))
    (tiny.folder / "one.yaml").write_text(text.replace("output_tokens: 3", "output_tokens: 1"))
    names = ("tiny.yaml", "unknown.yaml", "one.yaml")
    printed = validated("--data", write(SYSTEMS, *({"experiment": name} for name in names)))
    assert [row["line"] for row in printed["rows"]] == [2]
    assert [row["line"] for row in printed["refused"]] == [3, 4]
    assert "abacus-3" in printed["refused"][0]["why"]
    assert printed["refused"][1]["why"] == "the run has no decode_tokens_per_s"


def test_a_row_may_say_why_it_has_no_experiment(write: Write) -> None:
    path = write(SYSTEMS, {"experiment": "", "why_not": "four GPUs"})
    (refused,) = validated("--data", path)["refused"]
    assert refused["why"] == "four GPUs"


def test_systems_of_a_group_are_ranked(tiny: Tiny, write: Write) -> None:
    text = tiny.path.read_text()
    (tiny.folder / "slow.yaml").write_text(text.replace("name: tiny", "name: slow\nsoftware: eager"))
    (tiny.folder / "fast.yaml").write_text(text.replace("name: tiny", "name: fast\nsoftware: ideal"))
    path = write(
        SYSTEMS,
        {"experiment": "slow.yaml", "measured": "100"},
        {"experiment": "fast.yaml", "measured": "300"},
        {"experiment": "slow.yaml", "measured": "305", "group": "another"},
        {"experiment": "fast.yaml", "measured": "100", "group": "another"},
    )
    first, second = validated("--data", path)["rankings"]
    assert (first["right"], first["tied"], first["wrong"]) == (1, 0, 0)
    assert (second["right"], second["wrong_pairs"]) == (0, [["slow", "fast"]])


def test_processes_side_by_side_say_the_same(tiny: Tiny, write: Write) -> None:
    path = write(SYSTEMS, {}, {"metric": "end_to_end_s", "unit": "s"})
    alone, together = validated("--data", path), validated("--data", path, "--workers", 2)
    assert alone == together
