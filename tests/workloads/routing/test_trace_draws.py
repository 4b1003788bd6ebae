"""Drawing runs from a recorded routing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from moe_cosim.workloads.routing import Routing, TokenTrace
from tests.workloads.routing.traces import example, run, shape


def starts(routing: Routing, trace: TokenTrace) -> list[int]:
    """Which document each sequence begins with."""
    return [
        next(d for d in range(trace.documents) if np.array_equal(trace.experts[trace.offsets[d]], one[0]))
        for one in routing.prefill_experts
    ]


def test_a_sequence_is_a_document_prompt_first_then_decode(tmp_path: Path) -> None:
    trace = example()
    trace.save(tmp_path / "t.npz")
    routing, used = run(tmp_path / "t.npz", shape())
    assert used == []
    documents = starts(routing, trace)
    assert sorted(documents) == [0, 2]  # the two long enough, once each
    for s, d in enumerate(documents):
        at = trace.offsets[d]
        np.testing.assert_array_equal(routing.prefill_experts[s], trace.experts[at : at + 10])
        np.testing.assert_array_equal(routing.decode_experts[:, s], trace.experts[at + 10 : at + 15])
        np.testing.assert_array_equal(routing.decode_weights[:, s], trace.weights[at + 10 : at + 15])


def test_short_documents_go_on_with_their_domain_or_from_their_start(tmp_path: Path) -> None:
    trace = example((12, 10, 30), domains=("maths", "maths", "law"))
    trace.save(tmp_path / "t.npz")
    routing, used = run(tmp_path / "t.npz", shape(sequences=3))
    assert used == ["routing-short-documents"]
    place = starts(routing, trace).index(0)
    whole = np.concatenate([routing.prefill_experts[place], routing.decode_experts[:, place]])
    np.testing.assert_array_equal(whole, np.concatenate([trace.experts[:12], trace.experts[12:15]]))
    routing, _ = run(tmp_path / "t.npz", shape(sequences=3), settings={"routing-short-documents": "wrap"})
    place = starts(routing, trace).index(0)
    whole = np.concatenate([routing.prefill_experts[place], routing.decode_experts[:, place]])
    np.testing.assert_array_equal(whole, np.concatenate([trace.experts[:12], trace.experts[:3]]))


def test_documents_are_used_again_only_when_all_are_used(tmp_path: Path) -> None:
    trace = example()
    trace.save(tmp_path / "t.npz")
    routing, _ = run(tmp_path / "t.npz", shape(sequences=7))
    documents = starts(routing, trace)
    assert sorted(np.bincount(documents, minlength=3).tolist()) == [2, 2, 3]
    assert "3 of 3 documents for 7 sequences" in routing.source


def test_seed_chooses_the_documents(tmp_path: Path) -> None:
    trace = example((20,) * 30)
    trace.save(tmp_path / "t.npz")
    first = starts(run(tmp_path / "t.npz", shape(), seed=1)[0], trace)
    assert first == starts(run(tmp_path / "t.npz", shape(), seed=1)[0], trace)
    assert any(first != starts(run(tmp_path / "t.npz", shape(), seed=seed)[0], trace) for seed in (2, 3))


def test_generated_tokens_as_prompt_is_a_named_assumption(tmp_path: Path) -> None:
    example(prompt_tokens=np.array([1, 2, 3]), weights=None).save(tmp_path / "t.npz")
    routing, used = run(tmp_path / "t.npz", shape())
    assert used == ["routing-generated-as-prompt"]
    assert (routing.prefill_weights == 0.5).all()
