"""The routed experts of one MoE layer in bfloat16: two grouped products with silu-and-multiply between."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Final

import torch
from device_kernels import silu_and_multiply
from pool import Pool
from table import Table
from timing import Timing, graphed_us, sets_beyond_l2, wall_us

COLUMNS: Final = (
    "device", "model_shape", "dtype", "experts", "top_k", "hidden", "inter_per_shard", "kernel", "tokens", "time_us",
    "mean_tokens_per_expert", "expected_distinct_experts_uniform", "weight_MB_touched", "effective_GBps", "TFLOPS",
    "source", "routing", "distinct_experts", "fastest_us", "repetitions",
)  # fmt: skip
TOKENS: Final = [1 << power for power in range(13)]
ROUTINGS: Final = 8  # different ones in a graph; the distinct experts are their mean
SEED: Final = 20261126
MOST_LAYERS: Final = 7  # shares no divisor with the routings, so that all pairs occur
POOL_BYTES: Final = 12 << 30
EAGER_CALLS: Final = 10
SOURCE: Final = "this project, benchmarks/gpu_card"


@dataclass(frozen=True)
class Shape:
    """The experts of one layer on one card."""

    model: str
    hidden: int
    intermediate: int
    experts: int
    top_k: int

    @property
    def expert_bytes(self) -> int:
        """Weights of an expert: gate, up, down."""
        return 3 * self.hidden * self.intermediate * 2


SHAPES: Final = (
    Shape("Mixtral-8x7B", 4096, 14336, 8, 2),
    Shape("Mixtral-8x7B TP2 shard", 4096, 7168, 8, 2),
    Shape("Qwen3-30B-A3B TP1", 2048, 768, 128, 8),
    Shape("DeepSeek-V2-Lite", 2048, 1408, 64, 6),
    Shape("gpt-oss-20b", 2880, 2880, 32, 4),
    Shape("OLMoE", 2048, 1024, 64, 8),
    Shape("Phi-3.5-MoE", 4096, 6400, 16, 2),
)


class Layers:
    """Some layers' weights, of one pool: more than the L2 holds."""

    def __init__(self, pool: Pool, shape: Shape) -> None:
        number = max(1, min(MOST_LAYERS, POOL_BYTES // (shape.experts * shape.expert_bytes) - 1))
        self.gate_up, self.down = [], []
        for _ in range(number):
            # The products want weights [experts, inputs, outputs] with the inputs side by side in memory.
            gate_up = pool.take(shape.experts, 2 * shape.intermediate, shape.hidden)
            down = pool.take(shape.experts, shape.hidden, shape.intermediate)
            self.gate_up.append(gate_up.transpose(1, 2))
            self.down.append(down.transpose(1, 2))

    def run(self, index: int, inputs: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """Layer `index` (modulo their number) of rows sorted by expert; ends[e] is where expert e's rows end."""
        layer = index % len(self.down)
        between = silu_and_multiply(torch._grouped_mm(inputs, self.gate_up[layer], offs=ends))
        return torch._grouped_mm(between, self.down[layer], offs=ends)


def run(table: Table) -> None:
    """Balanced routing, uniform random routing, and the latter with sort, gather and scatter, launched eagerly."""
    pool = Pool(torch.bfloat16, POOL_BYTES)
    activations = Pool(torch.bfloat16, 1 << 30)
    for shape in SHAPES:
        layers = Layers(pool, shape)
        for tokens in TOKENS:
            generator = torch.Generator("cuda").manual_seed(SEED + tokens)
            chosen = [_uniform(shape, tokens, generator) for _ in range(ROUTINGS)]
            routed = {
                "balanced": [_balanced(shape, tokens, turn) for turn in range(ROUTINGS)],
                "uniform random": [torch.bincount(ids.flatten(), minlength=shape.experts) for ids in chosen],
            }
            for routing, counts in routed.items():
                measured = partial(_graph, layers, activations, shape, tokens, counts)
                _measure(table, shape, tokens, routing, "torch grouped_mm in a CUDA graph", counts, measured)
            measured = partial(_eager, layers, activations, shape, tokens, chosen)
            kernel = "torch grouped_mm, eager with sort and scatter"
            _measure(table, shape, tokens, "uniform random", kernel, routed["uniform random"], measured)


def _measure(
    table: Table, shape: Shape, tokens: int, routing: str, kernel: str, counts: list[torch.Tensor], measured: Any
) -> None:
    def row() -> dict[str, Any]:
        timing: Timing = measured()
        experts = sum(int((each > 0).sum()) for each in counts) / len(counts)
        touched = experts * shape.expert_bytes
        flop = tokens * shape.top_k * shape.expert_bytes  # 2 per weight, of 2 bytes each
        return {
            **timing.columns(),
            "weight_MB_touched": round(touched / 1e6, 1),
            "effective_GBps": timing.gb_per_s(touched),
            "TFLOPS": round(flop / timing.time_us / 1e6, 3),
            "distinct_experts": experts,
        }

    expected = shape.experts * (1 - (1 - shape.top_k / shape.experts) ** tokens)
    named = {
        "device": torch.cuda.get_device_name(), "model_shape": shape.model, "dtype": "bf16",
        "experts": shape.experts, "top_k": shape.top_k, "hidden": shape.hidden,
        "inter_per_shard": shape.intermediate, "kernel": kernel, "tokens": tokens,
        "mean_tokens_per_expert": tokens * shape.top_k / shape.experts,
        "expected_distinct_experts_uniform": round(expected, 2), "source": SOURCE, "routing": routing,
    }  # fmt: skip
    table.measure(named, row)


def _uniform(shape: Shape, tokens: int, generator: torch.Generator) -> torch.Tensor:
    """Each token's experts, int64 [tokens, top_k]: different ones, all alike probable."""
    draws = torch.rand((tokens, shape.experts), device="cuda", generator=generator)
    return draws.topk(shape.top_k, dim=1).indices


def _balanced(shape: Shape, tokens: int, turn: int) -> torch.Tensor:
    """Rows of each expert, int64 [experts], as even as can be; those with one more move on with each turn."""
    rows = tokens * shape.top_k
    each, more = divmod(rows, shape.experts)
    counts = torch.full((shape.experts,), each, device="cuda")
    counts[:more] += 1
    return counts.roll(turn * more)


def _graph(layers: Layers, activations: Pool, shape: Shape, tokens: int, counts: list[torch.Tensor]) -> Timing:
    ends = [each.cumsum(0).to(torch.int32) for each in counts]
    inputs = activations.take(tokens * shape.top_k, shape.hidden)
    touched = min(shape.experts, tokens * shape.top_k) * shape.expert_bytes
    rounds = -(-sets_beyond_l2(touched) // ROUTINGS)
    return graphed_us(lambda index: layers.run(index, inputs, ends[index % ROUTINGS]), ROUTINGS * rounds)


def _eager(layers: Layers, activations: Pool, shape: Shape, tokens: int, chosen: list[torch.Tensor]) -> Timing:
    hidden = activations.take(tokens, shape.hidden)
    weights = torch.full((tokens * shape.top_k, 1), 1 / shape.top_k, dtype=torch.bfloat16, device="cuda")
    experts = torch.arange(shape.experts, device="cuda")
    turn = count()

    def layer() -> torch.Tensor:
        index = next(turn)
        ids, order = chosen[index % ROUTINGS].flatten().sort()
        ends = torch.searchsorted(ids, experts, right=True).to(torch.int32)
        token = order // shape.top_k
        outputs = layers.run(index, hidden[token], ends) * weights[order]
        return torch.zeros_like(hidden).index_add_(0, token, outputs)

    return wall_us(layer, EAGER_CALLS)
