"""The shipped study: what is said of it follows from it, and what was decided in it is what our own code decides."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moe_cosim.experiment import load_experiment
from moe_cosim.sim.accuracy.arms import splits
from moe_cosim.sim.accuracy.decisions import FULL
from moe_cosim.sim.accuracy.findings import chosen, cosines, exact_against, gain, mean, spread_of_bit, worth_of_bits
from moe_cosim.sim.accuracy.record import SHIPPED, StudyRecord, load_record
from moe_cosim.sim.accuracy.specialisation import specialisation
from moe_cosim.sim.reproduce import reproduce
from moe_cosim.workloads.quantization.allocation import allocators, total_loss
from moe_cosim.workloads.routing import read_trace
from moe_cosim.workloads.scenario import draw
from tests.sim.tiny import Tiny, cli

WIDTHS = (3, 2)


@pytest.fixture(scope="module")
def record() -> StudyRecord:
    return load_record()


def test_files_are_small_and_say_where_they_come_from(record: StudyRecord) -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 400_000
    model = json.loads((SHIPPED / "model.json").read_text())
    assert len(model["model_sha256"]) == len(model["corpus"]["sha256"]) == 64
    assert model["training"]["corpus_sha256"] == model["corpus"]["sha256"]
    assert set(model["training"]["versions"]) == {"python", "torch", "transformers", "numpy"}
    assert model["training"]["seconds"] <= 45 * 60
    assert set(record.domains) == set(model["bits_per_byte"])
    assert record.about["model_sha256"] == model["model_sha256"]


def test_routing_and_losses_ship_as_experiments_read_them(record: StudyRecord, tmp_path: Path) -> None:
    trace = read_trace(SHIPPED / "routing.npz")
    assert (trace.domains, trace.num_experts) == (record.domains, record.arrays["losses"].shape[2])
    tiny = Tiny(tmp_path)
    tiny.write_model(num_hidden_layers=4, num_local_experts=8)
    settings = {
        "routing": {"source": "trace", "file": str(SHIPPED / "routing.npz")},
        "workload": {"batch": 1, "prompt_tokens": 256, "output_tokens": 2},
        "quantization": {"average_bits": 2, "losses": str(SHIPPED / f"losses-{record.methods[0]}.npz")},
    }
    scenario = draw(load_experiment(tiny.write(), settings))
    assert np.array_equal(scenario.quantization.losses.loss, record.arrays["losses"][0])
    drawn = scenario.demand.routing.prefill_experts[0]
    assert any(np.array_equal(drawn, document[:256]) for document in record.arrays["experts"])


def test_the_model_beats_the_4_gram_model_on_every_domain() -> None:
    for domain, bits in json.loads((SHIPPED / "model.json").read_text())["bits_per_byte"].items():
        assert bits["model"] < bits["four_gram"], domain


def test_experts_know_the_domain_beyond_chance(record: StudyRecord) -> None:
    prompt, answer = chosen(record)
    names = sorted(set(record.domains))
    domains = np.array([names.index(domain) for domain in record.domains])
    for layer in specialisation((prompt + answer).astype(np.int64), domains):
        assert layer.information > layer.shuffled_most


def test_every_row_is_a_decision_within_its_budget(record: StudyRecord) -> None:
    layers, experts = record.arrays["bits"].shape[2:]
    for (condition, arm), bits in zip(record.arms, record.arrays["bits"].astype(int), strict=True):
        if arm in ("16 bits", "none kept"):
            assert (bits == condition.bits).all()
            continue
        cold = experts - condition.gpu_experts
        assert ((bits == FULL).sum(axis=2) == condition.gpu_experts).all()
        assert (np.where(bits == FULL, 0, bits).sum(axis=2) == cold * condition.bits).all()
    assert len({len(values) for values in record.arrays["loss"]}) == 1
    assert record.arrays["losses"].shape == (len(record.methods), layers, experts, 4)


@pytest.mark.parametrize("bits", WIDTHS)
def test_the_recorded_decisions_are_those_of_our_own_code(record: StudyRecord, bits: int) -> None:
    condition = replace(record.base, bits=bits)
    for arm, allocation in (("selector", "prefix"), ("uniform", "uniform"), ("greedy", "greedy")):
        allocator = allocators.get(allocation, "test")()
        decided = record.arrays["bits"][record.row(condition, arm)]
        for prompt, layer in np.ndindex(decided.shape[:2]):
            ranks = record.arrays["importance"][prompt, layer]
            order = np.argsort(-ranks, kind="stable")
            hot, cold = order[: condition.gpu_experts], np.sort(order[condition.gpu_experts :])
            assert (decided[prompt, layer, hot] == FULL).all()
            wanted = allocator.allocate(ranks[cold], record.arrays["losses"][0][layer, cold], bits)
            assert decided[prompt, layer, cold].tolist() == wanted.tolist()


def test_importance_orders_experts_by_what_the_prompt_chose(record: StudyRecord) -> None:
    prompt, _ = chosen(record)
    assert (prompt.sum(axis=2) == 2 * record.base.prompt_tokens).all()
    shares = prompt / prompt.sum(axis=2, keepdims=True)
    # half of importance is this share, the other half the share of gate weights, which lies between 0 and 1
    rest = 2 * record.arrays["importance"] - shares
    assert (rest > -1e-6).all()
    assert rest.sum(axis=2) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("bits", WIDTHS)
def test_exact_is_the_best_of_all_splits_and_never_better_than_any_allocation(record: StudyRecord, bits: int) -> None:
    table, decided = record.arrays["losses"][0], record.arrays["bits"]
    selected, greedy = (decided[record.row(replace(record.base, bits=bits), arm)] for arm in ("selector", "greedy"))
    for prompt, layer in itertools.product(range(0, len(selected), 7), range(selected.shape[1])):
        cold = np.flatnonzero(selected[prompt, layer] < FULL)
        order = cold[np.argsort(-record.arrays["importance"][prompt, layer, cold], kind="stable")]
        losses = [total_loss(table[layer, order], one) for one in splits(len(cold), len(cold) * (bits - 1))]
        exact = total_loss(table[layer, cold], selected[prompt, layer, cold])
        assert exact == pytest.approx(min(losses))
        every = min(
            total_loss(table[layer, cold], one)
            for one in itertools.product(range(1, 5), repeat=len(cold))
            if sum(one) == len(cold) * bits
        )
        assert every <= exact + 1e-12
        assert every == pytest.approx(total_loss(table[layer, cold], greedy[prompt, layer, cold]))


def test_what_is_said_follows_from_the_values(record: StudyRecord) -> None:
    condition = replace(record.base, bits=2)
    rows = [record.row(condition, arm) for arm in ("random", "selector")]
    apart = record.arrays["divergence"][rows[0]].astype(float) - record.arrays["divergence"][rows[1]]
    found = gain(record, "divergence", condition, "random", "selector")
    assert found.mean == pytest.approx(apart.mean())
    assert found.half == pytest.approx(2.001 * apart.std(ddof=1) / np.sqrt(len(apart)), rel=2e-3)
    assert mean(record, "accuracy", condition, "selector").mean == pytest.approx(
        record.arrays["accuracy_tokens"][rows[1]].mean() / record.answer_tokens
    )
    assert 0 < cosines(record).min() <= cosines(record).max() <= 1
    assert worth_of_bits(record, record.methods[0]).sum() < 1
    assert spread_of_bit(record, record.methods[0], 3) >= 1


@pytest.mark.parametrize("bits", WIDTHS)
def test_greedy_never_loses_more_in_the_table_than_the_exact_split(record: StudyRecord, bits: int) -> None:
    against = exact_against(record, "greedy", bits, record.methods[0])
    assert 0 <= against.differs <= 1
    assert against.loss_ratio <= 1 + 1e-12
    assert exact_against(record, "uniform", bits, record.methods[0]).loss_ratio >= 1 - 1e-12


def test_placement_by_the_prompt_beats_chance_and_the_widths_of_all_arms_cost_something(record: StudyRecord) -> None:
    for bits in WIDTHS:
        condition = replace(record.base, bits=bits)
        assert gain(record, "divergence", condition, "random", "selector").sign == 1
        assert gain(record, "divergence", condition, "inverted", "random").sign == 1
        assert mean(record, "divergence", condition, "selector").sign == 1


def test_the_reproduction_prints_the_record(record: StudyRecord) -> None:
    found = reproduce("cxl-ndp-accuracy")
    cells = {(cell.figure, cell.cell): cell for cell in found.cells}
    own = cells["accuracy, points", "2 bits, selector"]
    assert (own.published, own.low < own.simulated < own.high) == (66.68, True)
    assert cells["selector over uniform, points", "2 bits"].published == pytest.approx(3.20)
    assert cells["cosine of prompt and answer", "mean of layers"].simulated == pytest.approx(cosines(record).mean())
    assert {row["assumption"] for row in found.sensitivity} == {
        "(base)", "method", "gpu_experts", "alpha", "prompt_tokens", "text",
    }  # fmt: skip


def test_a_model_is_measured_with_its_texts_and_only_where_one_is_asked_for(tmp_path: Path) -> None:
    for arguments, said in (
        (("cxl-ndp", "--model", tmp_path, "--texts", tmp_path), "--model: found"),
        (("cxl-ndp-accuracy", "--model", tmp_path), "--texts: found nothing"),
        (("cxl-ndp-accuracy", "--texts", tmp_path), "--model: found nothing"),
    ):
        found = cli("reproduce", *arguments)
        assert (found.exit_code, found.stdout, found.stderr.count("\n")) == (2, "", 1)
        assert said in found.stderr
