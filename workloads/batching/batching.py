"""How a system that gathers many sequences goes through a layer, as its policy declares it.

Sources of the parts: FlexGen (arXiv 2303.06865, 3: zig-zag block schedule, shares of weights and cache by place),
MoE-Lightning (arXiv 2411.11217, 4: attention of micro-batches on the CPU beside the GPU), MoE-Gen (arXiv 2503.09716, 4:
attention in micro-batches, experts once for all of them), CoX-MoE (arXiv 2605.17889: attention of the prompt on the
CPU).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from moe_cosim.assumptions import Assumptions
from moe_cosim.errors import InputError, Plain
from moe_cosim.experiment import Workload
from moe_cosim.hw_models.machine import Machine
from moe_cosim.options import EXPERTS, TOP_K, Options, read_options
from moe_cosim.workloads.models.model import Model
from moe_cosim.workloads.quantization.precisions import Quantization

MOST_MICRO_BATCHES: Final = 512

O = TypeVar("O", bound=Options)  # noqa: E741 - the usual letter for a type


class Sequences(NamedTuple):
    """How many of a micro-batch."""

    resident: int
    """Their keys and values stay in the GPU's memory."""
    on_cpu: int
    """Those are in host memory, where the CPU attends in decode."""
    streamed: int
    """Those are in host memory and pass through a buffer in the GPU's, which attends."""

    @property
    def at_host(self) -> int:
        """Those whose keys and values leave the GPU's memory."""
        return self.on_cpu + self.streamed

    @property
    def all(self) -> int:
        """Of the micro-batch."""
        return self.resident + self.at_host


@dataclass(frozen=True)
class Batching:
    """Shares by place, and micro-batches. The default: everything stays in the GPU's memory, and the whole batch goes
    through a layer at once."""

    dense_resident: float = 1.0
    """Share of every layer's dense weights (attention, shared experts, dense layers) and of the head that stays in the
    GPU's memory. The rest lies in host memory and is loaded for every step, a layer ahead, into one of two buffers."""
    kv_resident: float = 1.0
    """Share of the sequences whose keys and values stay in the GPU's memory; those of the others lie at the host."""
    cpu_attention: float = 0.0
    """Share of the sequences to which the CPU attends in decode. What is left of them passes through the GPU."""
    micro_batch: int | None = None
    """Sequences that attend at a time; None: all."""
    experts_at_once: bool = True
    """Whether experts run once, on the whole batch, when all micro-batches have attended; False: behind the attention
    of each micro-batch, on its tokens."""
    attention_apart: bool = False
    """Whether all micro-batches attend before the first one's experts run, where those do not run at once: attention
    and experts as layers of their own (FlexGen). A layer's experts are then loaded while it attends."""
    cpu_ahead: bool = True
    """Whether the GPU projects the next micro-batch before the CPU's share of one has returned; False: it waits."""
    prompt_score_bytes: float = 0.0
    """What attention on the GPU keeps in its memory of each pair of a prompt's tokens and each head: written by the
    product with keys, read and written by the softmax, read by the product with values. 0: a fused kernel."""
    rows_per_token: int | None = None
    """Rows of activations that a token of a prompt's micro-batch has room for in the GPU's memory; None: one for each
    expert that it chose."""
    cpu_prefill: bool = False
    """Whether the CPU attends to its share in the prefill, too; False: the GPU attends to all prompts."""

    def __post_init__(self) -> None:
        """Raises `ValueError` for shares that are none, or sum to more than all sequences, and for prompts on a CPU
        that has no share."""
        shares = (self.dense_resident, self.kv_resident, self.cpu_attention)
        if any(not 0 <= share <= 1 for share in shares) or self.kv_resident + self.cpu_attention > 1 + 1e-9:
            raise ValueError(f"shares of {self} are not in 0..1, or of more than all sequences")
        if self.micro_batch is not None and self.micro_batch < 1:
            raise ValueError("a micro-batch of no sequence")
        if self.rows_per_token is not None and self.rows_per_token < 1:
            raise ValueError("a micro-batch without room for its rows")
        if self.cpu_prefill and not self.cpu_attention:
            raise ValueError("the CPU attends to prompts, and its share is none")

    @property
    def keeps_kv(self) -> bool:
        """Whether all keys and values stay in the GPU's memory."""
        return self.kv_resident >= 1

    def sizes(self, batch: int) -> list[int]:
        """Sequences of each micro-batch: as equal as they can be, the first ones larger."""
        count = 1 if self.micro_batch is None else -(-batch // self.micro_batch)
        each, more = divmod(batch, count)
        return [each + (index < more) for index in range(count)]

    def expert_parts(self, batch: int) -> int:
        """Micro-batches behind whose attention experts run; 1: they run on the whole batch."""
        return 1 if self.experts_at_once else len(self.sizes(batch))

    def split(self, sequences: int) -> Sequences:
        """A micro-batch of so many, by who attends to what; shares are rounded."""
        resident = round(self.kv_resident * sequences)
        on_cpu = min(round(self.cpu_attention * sequences), sequences - resident)
        return Sequences(resident, on_cpu, sequences - resident - on_cpu)


WHOLE: Final = Batching()


@dataclass(frozen=True)
class Outset:
    """What a policy knows when it declares its batching: all but the routing, and before anything has a place."""

    machine: Machine
    model: Model
    workload: Workload
    quantization: Quantization
    assumptions: Assumptions
    options: Mapping[str, Any]
    """The experiment's ``policy`` fields."""
    where: object

    def read(self, options_class: type[O]) -> O:
        """The policy's options; `InputError` for what does not fit them."""
        limits = {EXPERTS: self.model.routed_experts, TOP_K: self.model.top_k}
        given = {name: value for name, value in self.options.items() if name not in ("name", "home")}
        return read_options(options_class, given, self.where, "policy", limits, ("home",))


def check_batching(batching: Batching, outset: Outset) -> None:
    """Raise `InputError` for a batching that this machine, model or workload does not allow."""
    if batching == WHOLE:
        return
    name, model, work = outset.options.get("name"), outset.model, outset.workload
    count = len(batching.sizes(work.batch))
    if count > MOST_MICRO_BATCHES:
        found = Plain(f"{count} micro-batches of {batching.micro_batch} sequences (policy {name})")
        raise InputError(outset.where, "policy", found, f"at most {MOST_MICRO_BATCHES}")
    if work.verify is not None:
        raise InputError(outset.where, "workload.verify", Plain("drafted tokens"), f"none (policy {name})")
    if not model.has_plain_attention:
        found = Plain(f"{model.name}, which does not attend alike in all layers")
        raise InputError(outset.where, "model", found, f"a decoder whose layers attend alike (policy {name})")
