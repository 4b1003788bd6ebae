"""MiniMax-01 and Jamba: most layers keep a state of fixed size, the others keys and values."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import AliasChoices, Field

from moe_cosim.errors import InputError, Plain
from moe_cosim.schema import Count, Few, Size
from moe_cosim.workloads.models.attention import Attention, OtherAttention
from moe_cosim.workloads.models.families.mixtral import Mixtral
from moe_cosim.workloads.models.family import Family, families


@families.register("minimax")
@families.register("minimax_text_01")
class MiniMax(Mixtral):
    """Lightning attention (arXiv 2501.08313, 2.2.1) keeps a matrix per head, whose decay is fixed, and gates what is
    attended. Absent: every second layer, as transformers has it; the published model lists them."""

    summary: ClassVar[str] = "MiniMax-01: as Mixtral, most layers with lightning attention"
    architectures: ClassVar[tuple[str, ...]] = ("MiniMaxForCausalLM", "MiniMaxText01ForCausalLM")

    layer_types: list[Literal["linear_attention", "full_attention"]] | list[Literal[0, 1]] | None = Field(
        None, validation_alias=AliasChoices("layer_types", "attn_type_list")
    )
    """The older list has 1 for full attention."""

    def other_attention(self, where: object) -> OtherAttention:
        layers = self.num_hidden_layers
        kinds = self.layer_types or ["full_attention", "linear_attention"] * (layers // 2) + ["full_attention"] * (
            layers % 2
        )
        if len(kinds) != layers:
            raise InputError(where, "layer_types", Plain(f"{len(kinds)} entries"), f"one for each of {layers} layers")
        linear = tuple(layer for layer, kind in enumerate(kinds) if kind in ("linear_attention", 0))
        heads, head_dim = self.num_attention_heads, self.attention(where).head_dim
        state = Attention(
            kind="linear",
            heads=heads,
            kv_heads=heads,
            head_dim=head_dim,
            v_head_dim=head_dim,
            key_heads=heads,
            numbers_per_head=0,
        )
        return ((state, linear),) if linear else ()


@families.register("jamba")
class Jamba(Family):
    """Absent: Jamba-v0.1's (arXiv 2403.19887, 3.1)."""

    summary: ClassVar[str] = "Jamba: Mamba-1 layers, one of eight with attention, experts in every second"
    architectures: ClassVar[tuple[str, ...]] = ("JambaForCausalLM",)

    intermediate_size: Count
    num_experts: Few = 16
    num_experts_per_tok: Count = 2
    expert_layer_period: Count = 2
    expert_layer_offset: Size = 1
    attn_layer_period: Count = 8
    attn_layer_offset: Size = 4
    mamba_d_state: Count = 16
    mamba_d_conv: Count = 4
    mamba_expand: Count = 2
    mamba_dt_rank: Count | Literal["auto"] = "auto"
    """``auto``: a sixteenth of the hidden size, rounded up."""

    def moe_layers(self) -> tuple[int, ...]:
        return tuple(range(self.expert_layer_offset, self.num_hidden_layers, self.expert_layer_period))

    def other_attention(self, where: object) -> OtherAttention:
        full = frozenset(range(self.attn_layer_offset, self.num_hidden_layers, self.attn_layer_period))
        channels, rank = self.mamba_expand * self.hidden_size, self.mamba_dt_rank
        mamba = Attention(
            kind="linear",
            heads=channels,
            kv_heads=channels,
            head_dim=self.mamba_d_state,
            v_head_dim=1,
            key_heads=1,
            conv_kernel=self.mamba_d_conv,
            numbers_per_head=0,
            time_rank=-(-self.hidden_size // 16) if rank == "auto" else rank,
        )
        return ((mamba, tuple(layer for layer in range(self.num_hidden_layers) if layer not in full)),)

    def ffn(self) -> dict[str, Any]:
        return {
            "routed_experts": self.num_experts,
            "intermediate": self.intermediate_size,
            "shared_intermediate": 0,
            "dense_intermediate": self.intermediate_size,
            "router_score": "softmax",
            "norm_topk_prob": False,
        }
