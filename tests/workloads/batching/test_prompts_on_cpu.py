"""Attention of prompts on the CPU: what goes over the link, what the CPU takes, and who waits for whom, by hand."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from moe_cosim.workloads.models.attention import Attention
from moe_cosim.workloads.programs.program import COPY, STREAM
from tests.workloads.batching.streaming import LAYERS, Ran, ran
from tests.workloads.hand_made import model

BATCH, PROMPT = 6, 1024
HEADS, KV_HEADS, HEAD_DIM = 8, 2, 128
QUERY_BYTES = 2 * HEADS * HEAD_DIM
"""Of a token: its queries, or what they attended to."""
KV_BYTES = 2 * 2 * KV_HEADS * HEAD_DIM
AMX_OPERATIONS_PER_S = 32 * 2.2e9 * 296
"""32 cores of 2.2 GHz, at the tiles' assumed rate."""


@cache
def prefill(micro_batch: int = 2, cpu: float = 1.0, **options: Any) -> Ran:
    declared = {"kv_resident": 0.0, "cpu_attention": cpu, "micro_batch": micro_batch, "cpu_prefill": True, **options}
    return ran(declared, BATCH, PROMPT, 1)


def of_prefill(run: Ran, purpose: str, kind: int, unit: str = "") -> np.ndarray[Any, Any]:
    rows = run.rows(purpose, kind, unit)
    return rows[run.tags["step"][rows] == 0]


@pytest.mark.parametrize("cpu", [1.0, 0.5])
def test_queries_go_and_what_they_attended_to_returns(cpu: float) -> None:
    """Of the CPU's share of a prompt; keys and values of all sequences go home. Behind it one decode step."""
    run = prefill(cpu=cpu)
    on_cpu = round(cpu * BATCH)
    rows, step, new = LAYERS * on_cpu * PROMPT, LAYERS * on_cpu, LAYERS * BATCH * KV_BYTES
    assert run.copied("gpu.gddr", "host.dram", "move kv") == LAYERS * BATCH * PROMPT * KV_BYTES
    assert run.copied("gpu.gddr", "host.dram", "attention") == (rows + step) * QUERY_BYTES + new
    assert run.copied("host.dram", "gpu.gddr", "attention") == (rows + step) * QUERY_BYTES


def test_the_cpu_takes_what_the_products_take_on_its_tiles() -> None:
    """Each token attends to half of the prompt on average: two products of 8 heads x 128 a pair."""
    run = prefill()
    kernels = of_prefill(run, "attention", STREAM, "host.cpu")
    assert len(kernels) == LAYERS * BATCH // 2
    operations = 2 * (PROMPT * PROMPT / 2) * HEADS * 2 * HEAD_DIM * 2
    launch_ps = int(run.program.events["setup_ps"][kernels[0]])
    taken = run.timeline.end_ps[kernels] - run.timeline.start_ps[kernels]
    np.testing.assert_allclose(taken, operations / AMX_OPERATIONS_PER_S * 1e12 + launch_ps, rtol=0.01)


def test_a_layer_is_the_cpus_attention_and_one_micro_batch_on_its_way() -> None:
    """Where the CPU takes longest, its kernels of a layer follow one another, but for what the first one and the last
    one wait for alone: of long prompts, as two products of a token are with a number of keys that grows with them."""
    declared = {"kv_resident": 0.0, "cpu_attention": 1.0, "micro_batch": 1, "cpu_prefill": True}
    run = ran(declared, BATCH, 4 * PROMPT, 1)
    rows = of_prefill(run, "attention", STREAM, "host.cpu")
    start, end = run.timeline.start_ps[rows], run.timeline.end_ps[rows]
    layer = run.tags["layer"][rows]
    for index in range(LAYERS):
        own = np.sort(start[layer == index]), np.sort(end[layer == index])
        gaps = own[0][1:] - own[1][:-1]
        assert gaps.max() < 0.02 * (own[1] - own[0]).min()


def test_the_gpu_projects_one_ahead_and_ends_what_has_returned() -> None:
    """On the GPU: first micro-batch projected, second one, output of the first, third one, outputs of the others. No
    output begins before what the CPU attended to is there."""
    run = prefill()
    rows = of_prefill(run, "attention", STREAM, "gpu.sm")
    rows = rows[run.tags["layer"][rows] == 0]
    rows = rows[np.argsort(run.timeline.start_ps[rows])]
    assert len(rows) == 2 * 3
    busy = run.program.events["busy_ps"][rows]
    projects = busy > np.median(busy)  # (1024 x 1536) against (1024 x 1024)
    assert projects.tolist() == [True, True, False, True, False, False]
    copies = of_prefill(run, "attention", COPY)
    returns = [run.program.lanes[lane][1] == "prefetch" for lane in run.program.events["lane"][copies]]
    back = np.sort(run.timeline.end_ps[copies[returns & (run.tags["layer"][copies] == 0)]])
    assert (run.timeline.start_ps[rows[~projects]] >= back).all()


def test_buffers_of_two_micro_batches_have_the_queries_too() -> None:
    run = prefill()
    host = run.scenario.layout.host
    assert host is not None
    assert host.kv is not None
    assert host.kv.queries is not None
    assert host.kv.buffers[1] - host.kv.buffers[0] == 2 * PROMPT * (QUERY_BYTES + KV_BYTES)
    assert host.kv.queries[1] - host.kv.queries[0] == 2 * PROMPT * QUERY_BYTES
    regions = sorted((region.address, region.size_bytes) for region in run.scenario.addresses.regions)
    assert all(address + size <= following for (address, size), (following, _) in pairwise(regions))


def test_latent_attention_sends_what_it_expands() -> None:
    """16 heads: queries of 128 + 64, keys of 128 and values of 128 expanded from the latent; 128 return."""
    latent = Attention(
        "mla", heads=16, kv_heads=16, head_dim=192, kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64,
        v_head_dim=128,
    )  # fmt: skip
    assert latent.prompt_query_bytes() == (2 * 16 * (192 + 256), 2 * 16 * 128)
    declared = {"kv_resident": 0.0, "cpu_attention": 1.0, "micro_batch": 1, "cpu_prefill": True}
    run = ran(declared, 2, 64, 1, of_model=model(LAYERS, 4, 2, attention=latent))
    of_step = LAYERS * 2 * 2 * 16 * (512 + 64) + LAYERS * 2 * 2 * 576
    assert run.copied("gpu.gddr", "host.dram", "attention") == LAYERS * 2 * 64 * 2 * 16 * (192 + 256) + of_step
    assert run.copied("gpu.gddr", "host.dram", "move kv") == LAYERS * 2 * 64 * 2 * 576


@pytest.mark.parametrize("at_once", [True, False])
def test_experts_and_what_is_loaded_go_on_beside_it(at_once: bool) -> None:
    """The same bytes of weights, wherever experts run among the micro-batches."""
    run = prefill(4, 0.5, experts_at_once=at_once, gpu_experts=1, dense_resident=0.5)
    assert run.copied("host.dram", "gpu.gddr", "move weights") == 2 * LAYERS * 3 * 2 * 3 * 1024 * 1024


@pytest.mark.parametrize("cpu_prefill", [False, True])
def test_attention_on_the_gpu_that_is_not_fused_writes_and_reads_its_scores_twice(cpu_prefill: bool) -> None:
    """Of half of the sequences, or of all: 8 heads and 1024 x 1024 pairs each, at 2 bytes."""
    runs = [prefill(2, 0.5, cpu_prefill=cpu_prefill, prompt_score_bytes=size) for size in (2.0, 0.0)]
    (region,) = (each for each in runs[0].scenario.addresses.regions if each.name == "attention scores")
    one = 2 * HEADS * PROMPT * PROMPT
    assert region.size_bytes == one * (1 if cpu_prefill else 2)
    kept, fused = (int(run.program.accesses["bytes"].sum()) for run in runs)
    assert kept - fused == 4 * LAYERS * one * (BATCH // 2 if cpu_prefill else BATCH)
