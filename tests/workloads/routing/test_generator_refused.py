"""What the generator refuses: options, presets and shapes that cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError
from moe_cosim.workloads.routing import RoutingShape, load_preset, routing_source

SMALL = RoutingShape(layers=3, experts=16, top_k=2, sequences=3, prompt_tokens=20, output_tokens=15)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "routing.source"),
        ({"source": "oracle"}, "routing.source"),
        ({"source": "generator"}, "routing.preset"),
        ({"source": "generator", "preset": "mixtral"}, "routing.preset"),
        ({"source": "generator", "preset": 7}, "routing.preset"),
        ({"source": "generator", "preset": "mixtral-8x7b", "zipf": 1.1}, "routing.zipf"),
        ({"source": "generator", "preset": "mixtral-8x7b", "domain": 1}, "routing.domain"),
        ({"source": "generator", "preset": "absent.yaml"}, "file"),
        ({"source": "generator", "preset": "mixtral-8x7b", "version": 3}, "routing.version"),
    ],
)
def test_bad_options_name_file_and_field(options: dict, field: str) -> None:
    with pytest.raises(InputError, match=field):
        routing_source(options, "experiment.yaml")


def preset_text(**changes: object) -> str:
    fields_: dict[str, object] = {"model": "m", "source": "s", "layers": 2, "experts": 8, "top_k": 2, "domains": 1}
    fields_ |= {"coupling": 0.5, "popularity_skewness": 0, "popularity": 0.1, "domain": 0, "sequence": 0.1}
    fields_ |= {"phase": 0, "slow": 0.2, "slow_rho": 0.9, "fast": [0.1, 0.2]}
    return "\n".join(f"{key}: {value}" for key, value in (fields_ | changes).items() if value is not None)


def test_a_preset_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(preset_text())
    source = routing_source({"source": "generator", "preset": "mine.yaml"}, "experiment.yaml", tmp_path)
    source.draw(SMALL, 0, Assumptions()).validate()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fast": [0.1]}, "fast.*2 numbers"),
        ({"fast": [0.1, "x"]}, "fast"),
        ({"slow": None}, "slow.*nothing"),
        ({"extra": 1}, "extra"),
        ({"slow": 0.9}, "layer 1.*2·fast"),
        ({"slow": -0.1}, "slow.*between 0 and 1"),
        ({"slow_rho": 1}, "slow_rho.*less than 1"),
        ({"coupling": 1.5}, "coupling"),
        ({"coupling": "much"}, "coupling"),
        ({"popularity_skewness": 3}, "popularity_skewness"),
        ({"domains": 0}, "domains"),
        ({"layers": 2.5}, "layers"),
        ({"model": 3}, "model"),
    ],
)
def test_bad_presets_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    (tmp_path / "bad.yaml").write_text(preset_text(**changes))
    with pytest.raises(InputError, match=message):
        load_preset("bad.yaml", folder=tmp_path)


@pytest.mark.parametrize(
    "change", [{"layers": 0}, {"sequences": 0}, {"prompt_tokens": 0}, {"output_tokens": -1}, {"top_k": 17}]
)
def test_impossible_shapes_are_refused(change: dict) -> None:
    with pytest.raises(InputError):
        replace(SMALL, **change)
