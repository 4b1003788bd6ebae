"""Drawing runs from a recorded routing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moe_cosim.errors import InputError
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


def test_more_sequences_than_documents_read_further_windows_of_them(tmp_path: Path) -> None:
    trace = example()
    trace.save(tmp_path / "t.npz")
    routing, used = run(tmp_path / "t.npz", shape(sequences=5))  # 30 // 15 + 1 + 40 // 15
    assert used == ["routing-short-documents"]
    whole = np.concatenate([routing.prefill_experts, routing.decode_experts.swapaxes(0, 1)], axis=1)
    expected = [trace.experts[at : at + 15] for at in (0, 15, 42, 57)]
    assert all(any(np.array_equal(window, one) for one in whole) for window in expected)


def test_sequences_repeat_others_only_when_told(tmp_path: Path) -> None:
    trace = example()
    trace.save(tmp_path / "t.npz")
    with pytest.raises(InputError, match=r"found 5 windows of 15 tokens in 3 documents; allowed: 7, .*repeat: true"):
        run(tmp_path / "t.npz", shape(sequences=7))
    routing, used = run(tmp_path / "t.npz", shape(sequences=7), repeat=True)
    assert "routing-repeated-documents" in used
    np.testing.assert_array_equal(routing.prefill_experts[5:], routing.prefill_experts[:2])
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
