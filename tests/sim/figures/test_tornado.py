"""Tornados: the swings that a run kept, drawn and as numbers."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.figures.plot import plot
from moe_cosim.sim.figures.request import TORNADO, FigureRequest
from moe_cosim.sim.run import run
from moe_cosim.sim.sensitivity import Sensitivity
from moe_cosim.sim.sensitivity.swings import VariedRun
from tests.sim.tiny import Tiny

pytest.importorskip("matplotlib")
RATE, JOULES = "decode_tokens_per_s", "decode_joules_per_token"


@pytest.fixture
def folder(tiny: Tiny) -> Path:
    run(tiny.path, out=tiny.folder / "out", keep=())
    runs = [
        VariedRun(name, assumption, value, default, {RATE: rate, JOULES: 5.0 / rate})
        for name, assumption, value, default, rate in (
            ("tiny", "", None, None, 10.0),
            ("rival", "", None, None, 4.0),
            ("tiny", "link", "32 GB/s", "48 GB/s", 8.0),
            ("tiny", "link", "64 GB/s", "48 GB/s", 16.0),
            ("tiny", "flow", "wide", "narrow", 5.0),
            ("tiny", "still", 1, 0, 10.0),
            ("rival", "link", "64 GB/s", "48 GB/s", 16.0),
        )
    ]
    Sensitivity(["tiny", "rival"], [RATE, JOULES], runs, [], 1.0).save(tiny.folder / "out")
    return tiny.folder / "out"


def _rows(folder: Path, **asked: str) -> list[list[str]]:
    out = folder.parent / "tornado.csv"
    plot([folder], FigureRequest(kind=TORNADO, **asked), out)
    with out.open(encoding="utf-8") as file:
        return list(csv.reader(file))


def test_the_widest_swing_is_on_top_and_what_moves_nothing_is_not_there(folder: Path) -> None:
    head, *rows = _rows(folder)
    assert head[2] == "Decode throughput (tokens/s)"
    assert rows == [
        ["link", "48 GB/s", "10.0", "8.0", "32 GB/s", "16.0", "64 GB/s"],
        ["flow", "narrow", "10.0", "5.0", "wide", "10.0", "narrow"],
    ]


def test_joules_and_factors_are_drawn_too(folder: Path) -> None:
    head, first, *_ = _rows(folder, y="energy.decode_joules_per_token")
    assert head[2] == "Energy per decoded token (J/token)"
    assert [first[0], first[3], first[5]] == ["flow", "0.5", "1.0"]
    head, first, *_ = _rows(folder, baseline="rival")
    assert head[2] == "Decode throughput, times better than rival"
    assert [first[0], first[3], first[4], first[5]] == ["link", "1.0", "64 GB/s", "2.5"]


def test_bars_reach_from_the_answer_to_the_ends(folder: Path) -> None:
    chart = plot([folder], FigureRequest(kind=TORNADO), folder.parent / "tornado.svg").chart
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure, axes = pyplot.subplots()
    chart.draw(axes)
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    assert [sorted(bar) for bar in bars] == [[8.0, 10.0], [10.0, 16.0], [5.0, 10.0]]
    assert [text.get_text() for text in axes.texts] == ["32 GB/s", "64 GB/s", "wide"]
    pyplot.close(figure)


def test_what_is_not_there_to_draw_is_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="metric: found 'mean_loss'; allowed: one of decode_joules_per_token"):
        _rows(folder, y="mean_loss")
    with pytest.raises(InputError, match="against: found 'nobody'; allowed: one of rival"):
        _rows(folder, baseline="nobody")
    (folder / "sensitivity.json").unlink()
    with pytest.raises(InputError, match=r"sensitivity\.json: found nothing there; allowed: the folder of a run with"):
        _rows(folder)
