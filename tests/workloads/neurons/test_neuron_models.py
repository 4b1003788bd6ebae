"""Dense models that ship: as large as they are said to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.neurons.model import find_neuron_model, neuron_model_names

BILLIONS = {
    "opt-13b": 12.9,
    "opt-30b": 30.0,
    "opt-66b": 65.7,
    "llama2-13b": 13.0,
    "llama2-70b": 69.0,
    "falcon-40b": 41.3,
}
"""Published parameter counts, with embeddings (OPT: arXiv 2205.01068; Llama 2: 2307.09288; Falcon: 2311.16867)."""


def test_every_dense_model_has_a_published_size() -> None:
    assert set(neuron_model_names()) == set(BILLIONS)


@pytest.mark.parametrize("name", sorted(BILLIONS))
def test_a_dense_model_is_as_large_as_published(name: str) -> None:
    model = find_neuron_model(name, "test")
    tables = model.table_bytes * (1 if model.tied_embeddings else 2)
    assert (model.layers * model.layer_bytes + tables) / 2e9 == pytest.approx(BILLIONS[name], rel=0.02)
    assert model.plain.has_plain_attention


def test_a_dense_model_that_is_not_there_or_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="opt-66b"):
        find_neuron_model("opt-66", "test")
    text = Path(find_neuron_model.__globals__["_CATALOG"] / "opt-13b.yaml").read_text()
    path = tmp_path / "odd.yaml"
    path.write_text(text.replace("heads: 40", "heads: 39", 1))
    with pytest.raises(InputError, match="heads"):
        find_neuron_model(str(path), "test")
