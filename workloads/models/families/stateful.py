"""MiniMax-01, Jamba, Kimi Linear: most layers keep a state of fixed size, the others keys and values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import AliasChoices, BaseModel, Field

from moe_cosim.errors import InputError, Plain
from moe_cosim.schema import Count, Few, Flag, Size
from moe_cosim.workloads.models.attention import Attention, OtherAttention
from moe_cosim.workloads.models.families.deepseek import DeepseekV3
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


class _KimiDelta(BaseModel):
    kda_layers: list[Count]
    """Counted from 1."""
    num_heads: Count
    head_dim: Count
    short_conv_kernel_size: Count = 4
    use_full_rank_gate: Flag = False


@families.register("kimi_linear")
@families.register("kimi_k3")
class KimiLinear(DeepseekV3):
    """Kimi delta attention (arXiv 2510.26692, 3) decays every channel of the keys on its own. Residuals from earlier
    layers (Kimi-K3) are left out."""

    summary: ClassVar[str] = "Kimi Linear and Kimi-K3: three of four layers with delta attention, the others latent"
    architectures: ClassVar[tuple[str, ...]] = ("KimiLinearForCausalLM",)

    num_experts_per_tok: Count = Field(validation_alias=AliasChoices("num_experts_per_token", "num_experts_per_tok"))
    n_routed_experts: Few = Field(validation_alias=AliasChoices("num_experts", "n_routed_experts"))
    n_shared_experts: Size | None = Field(None, validation_alias=AliasChoices("num_shared_experts", "n_shared_experts"))
    norm_topk_prob: Flag = Field(True, validation_alias=AliasChoices("moe_renormalize", "norm_topk_prob"))
    first_k_dense_replace: Size = 1
    mla_use_output_gate: Flag = False
    routed_expert_hidden_size: Count | None = None
    """Width on which the routed experts work; absent: the hidden size."""
    delta: _KimiDelta = Field(validation_alias="linear_attn_config")

    def attention(self, where: object) -> Attention:
        return replace(super().attention(where), gated=self.mla_use_output_gate)

    def other_attention(self, where: object) -> OtherAttention:
        layers = tuple(sorted({layer - 1 for layer in self.delta.kda_layers}))
        if not layers or layers[-1] >= self.num_hidden_layers:
            found = Plain(f"layer {layers[-1] + 1}" if layers else "none")
            allowed = f"layers from 1 to {self.num_hidden_layers}"
            raise InputError(where, "linear_attn_config.kda_layers", found, allowed)
        heads, head_dim = self.delta.num_heads, self.delta.head_dim
        state = Attention(
            kind="linear",
            heads=heads,
            kv_heads=heads,
            head_dim=head_dim,
            v_head_dim=head_dim,
            key_heads=heads,
            conv_kernel=self.delta.short_conv_kernel_size,
            numbers_per_head=1,
            decay_rank=head_dim,
            gate_rank=0 if self.delta.use_full_rank_gate else head_dim,
        )
        return ((state, layers),)

    def ffn(self) -> dict[str, Any]:
        return {**super().ffn(), "expert_hidden": self.routed_expert_hidden_size or self.hidden_size}
