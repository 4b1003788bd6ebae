"""GLM, DeepSeek and Kimi: dense layers first, shared experts, latent attention."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from moe_cosim.errors import InputError, Plain
from moe_cosim.schema import Count, Few, Flag, Size
from moe_cosim.workloads.models.attention import Attention
from moe_cosim.workloads.models.family import Family, families
from moe_cosim.workloads.models.model import RouterScore


@families.register("glm4_moe")
class Glm4Moe(Family):
    """Absent: GLM-4.5-Air's (arXiv 2508.06471, table 1), whose heads are not hidden / heads wide.

    `num_nextn_predict_layers` (multi-token prediction) are not counted.
    """

    summary: ClassVar[str] = "GLM-4.5: dense layers first, then experts with shared ones"
    architectures: ClassVar[tuple[str, ...]] = ("Glm4MoeForCausalLM",)

    head_dim: Count | None = 128
    intermediate_size: Count
    moe_intermediate_size: Count
    n_routed_experts: Few
    n_shared_experts: Size | None = None
    first_k_dense_replace: Size = 1
    mlp_layer_types: list[Literal["dense", "sparse"]] | None = None
    """By layer, before the two numbers."""
    moe_layer_freq: Count | list[Literal[0, 1]] = 1
    """Layers from `first_k_dense_replace` that are a multiple of it have experts; or whether each has, by layer."""
    norm_topk_prob: Flag = True
    scoring_func: Literal["softmax", "sigmoid"] = "sigmoid"
    topk_method: Literal["greedy", "group_limited_greedy", "noaux_tc"] = "noaux_tc"

    def score(self) -> RouterScore:
        """How the router's logits become weights, by `scoring_func` and `topk_method`."""
        if self.scoring_func == "softmax":
            return "softmax"
        return "sigmoid-bias" if self.topk_method == "noaux_tc" else "sigmoid"

    def moe_layers(self) -> tuple[int, ...]:
        every, kinds = range(self.num_hidden_layers), self.mlp_layer_types
        if kinds is not None:
            return tuple(layer for layer in every if kinds[layer : layer + 1] == ["sparse"])
        if isinstance(self.moe_layer_freq, list):
            return tuple(layer for layer in every if self.moe_layer_freq[layer : layer + 1] == [1])
        return tuple(layer for layer in every[self.first_k_dense_replace :] if layer % self.moe_layer_freq == 0)

    def ffn(self) -> dict[str, Any]:
        return {
            "routed_experts": self.n_routed_experts,
            "intermediate": self.moe_intermediate_size,
            "shared_intermediate": (self.n_shared_experts or 0) * self.moe_intermediate_size,
            "dense_intermediate": self.intermediate_size,
            "router_score": self.score(),
            "norm_topk_prob": self.norm_topk_prob,
        }


@families.register("deepseek")
@families.register("deepseek_v2")
class Deepseek(Glm4Moe):
    """DeepSeek-MoE and -V2: with a `kv_lora_rank` attention is latent, else grouped-query."""

    summary: ClassVar[str] = "DeepSeek-MoE and -V2: shared experts, latent attention since V2"
    architectures: ClassVar[tuple[str, ...]] = ("DeepseekForCausalLM", "DeepseekV2ForCausalLM")

    scoring_func: Literal["softmax", "sigmoid"] = "softmax"
    topk_method: Literal["greedy", "group_limited_greedy", "noaux_tc"] = "greedy"
    norm_topk_prob: Flag = False
    num_experts_per_tok: Count = 6
    """Absent: DeepSeek-V2's (arXiv 2405.04434, 3.1.2)."""
    first_k_dense_replace: Size
    q_lora_rank: Count | None = None
    kv_lora_rank: Count | None = None
    qk_nope_head_dim: Count | None = None
    qk_rope_head_dim: Count | None = None
    v_head_dim: Count | None = None

    def attention(self, where: object) -> Attention:
        if self.kv_lora_rank is None:
            return super().attention(where)
        nope, rope, value = (
            self._required(name, where) for name in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
        )
        return Attention(
            kind="mla",
            heads=self.num_attention_heads,
            kv_heads=self.num_attention_heads,
            head_dim=nope + rope,
            q_lora_rank=self.q_lora_rank or 0,
            kv_lora_rank=self.kv_lora_rank,
            qk_nope_head_dim=nope,
            qk_rope_head_dim=rope,
            v_head_dim=value,
        )

    def _required(self, name: str, where: object) -> int:
        value: int | None = getattr(self, name)
        if value is None:
            raise InputError(where, name, Plain("nothing"), "a size, as kv_lora_rank asks for latent attention")
        return value


@families.register("deepseek_v3")
@families.register("kimi_k2")
class DeepseekV3(Deepseek):
    """Absent: DeepSeek-V3's (arXiv 2412.19437, 2.1.2); transformers 5 does not write how it routes."""

    summary: ClassVar[str] = "DeepSeek-V3 and Kimi-K2: many experts, one shared, latent attention"
    architectures: ClassVar[tuple[str, ...]] = ("DeepseekV3ForCausalLM",)

    scoring_func: Literal["softmax", "sigmoid"] = "sigmoid"
    topk_method: Literal["greedy", "group_limited_greedy", "noaux_tc"] = "noaux_tc"
    norm_topk_prob: Flag = True
    num_experts_per_tok: Count = 8
    first_k_dense_replace: Size = 3


@families.register("glm4_moe_lite")
class Glm4MoeLite(DeepseekV3):
    summary: ClassVar[str] = "GLM-4.7-Flash: latent attention, one dense layer first"
    architectures: ClassVar[tuple[str, ...]] = ("Glm4MoeLiteForCausalLM",)

    first_k_dense_replace: Size = 1
    num_experts_per_tok: Count = 4
