"""The families of Hugging Face configurations that are known: their fields, and what they mean."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from moe_cosim.errors import InputError, Plain
from moe_cosim.schema import Count, Few, Flag, Size
from moe_cosim.workloads.models.family import Family, families
from moe_cosim.workloads.models.model import Attention, RouterScore


@families.register("mixtral")
class Mixtral(Family):
    summary: ClassVar[str] = "Mixtral: every layer has experts"
    architectures: ClassVar[tuple[str, ...]] = ("MixtralForCausalLM",)

    intermediate_size: Count
    num_local_experts: Few
    sliding_window: Count | None = None

    score: ClassVar[RouterScore] = "softmax-topk"
    normalised: ClassVar[bool] = True

    def sliding(self, where: object) -> tuple[int | None, tuple[int, ...]]:
        return self.sliding_window, self.moe_layers() if self.sliding_window else ()

    def ffn(self) -> dict[str, Any]:
        return {
            "routed_experts": self.num_local_experts,
            "intermediate": self.intermediate_size,
            "shared_intermediate": 0,
            "dense_intermediate": 0,
            "router_score": self.score,
            "norm_topk_prob": self.normalised,
        }


@families.register("phimoe")
class PhiMoe(Mixtral):
    """As Mixtral, with another router: its two weights come from masked softmaxes and do not sum to 1."""

    summary: ClassVar[str] = "Phi-3.5-MoE: as Mixtral, routed by sparsemixer"
    architectures: ClassVar[tuple[str, ...]] = ("PhiMoEForCausalLM", "PhimoeForCausalLM")

    score: ClassVar[RouterScore] = "sparsemixer"
    normalised: ClassVar[bool] = False


@families.register("gpt_oss")
class GptOss(Mixtral):
    summary: ClassVar[str] = "gpt-oss: sliding windows on every other layer"
    architectures: ClassVar[tuple[str, ...]] = ("GptOssForCausalLM",)

    head_dim: Count | None = 64
    sliding_window: Count | None = 128
    layer_types: list[Literal["sliding_attention", "full_attention"]] | None = None
    """Absent: alternating, the first layer slides."""

    def sliding(self, where: object) -> tuple[int | None, tuple[int, ...]]:
        layers = self.num_hidden_layers
        if self.sliding_window is None:
            return None, ()
        if self.layer_types is None:
            return self.sliding_window, tuple(range(0, layers, 2))
        if len(self.layer_types) != layers:
            found = Plain(f"{len(self.layer_types)} entries")
            raise InputError(where, "layer_types", found, f"one for each of {layers} layers")
        return self.sliding_window, tuple(i for i, kind in enumerate(self.layer_types) if kind == "sliding_attention")


@families.register("olmoe")
class Olmoe(Family):
    summary: ClassVar[str] = "OLMoE: many small experts in every layer"
    architectures: ClassVar[tuple[str, ...]] = ("OlmoeForCausalLM",)

    intermediate_size: Count
    """Of one expert (64 of 1024 in OLMoE-1B-7B; the class default of 2048 is not that model's)."""
    num_experts: Few
    norm_topk_prob: Flag = False

    def ffn(self) -> dict[str, Any]:
        return {
            "routed_experts": self.num_experts,
            "intermediate": self.intermediate_size,
            "shared_intermediate": 0,
            "dense_intermediate": 0,
            "router_score": "softmax",
            "norm_topk_prob": self.norm_topk_prob,
        }


@families.register("qwen3_moe")
class Qwen3Moe(Family):
    """`intermediate_size` is the width of the dense layers, if any."""

    summary: ClassVar[str] = "Qwen3-MoE: many experts, none shared"
    architectures: ClassVar[tuple[str, ...]] = ("Qwen3MoeForCausalLM",)

    intermediate_size: Count
    moe_intermediate_size: Count
    num_experts: Few
    norm_topk_prob: Flag = False
    decoder_sparse_step: Count = 1
    mlp_only_layers: list[Size] | None = None
    use_sliding_window: Flag = False
    sliding_window: Count | None = None

    def sliding(self, where: object) -> tuple[int | None, tuple[int, ...]]:
        if not self.use_sliding_window or self.sliding_window is None:
            return None, ()
        return self.sliding_window, tuple(range(self.first_sliding_layer(), self.num_hidden_layers))

    def first_sliding_layer(self) -> int:
        return 0

    def moe_layers(self) -> tuple[int, ...]:
        dense = frozenset(self.mlp_only_layers or ())
        step = self.decoder_sparse_step
        return tuple(i for i in range(self.num_hidden_layers) if i not in dense and (i + 1) % step == 0)

    def ffn(self) -> dict[str, Any]:
        return {
            "routed_experts": self.num_experts,
            "intermediate": self.moe_intermediate_size,
            "shared_intermediate": 0,
            "dense_intermediate": self.intermediate_size,
            "router_score": "softmax",
            "norm_topk_prob": self.norm_topk_prob,
        }


@families.register("qwen2_moe")
class Qwen2Moe(Qwen3Moe):
    """With one shared expert; its one-column sigmoid gate is left out."""

    summary: ClassVar[str] = "Qwen1.5-MoE and Qwen2-MoE: many experts and a shared one"
    architectures: ClassVar[tuple[str, ...]] = ("Qwen2MoeForCausalLM",)

    shared_expert_intermediate_size: Size
    max_window_layers: Size = 28

    def first_sliding_layer(self) -> int:
        return min(self.max_window_layers, self.num_hidden_layers)

    def ffn(self) -> dict[str, Any]:
        return {**super().ffn(), "shared_intermediate": self.shared_expert_intermediate_size}


@families.register("glm4_moe")
class Glm4Moe(Family):
    """`num_nextn_predict_layers` (multi-token prediction) are not counted."""

    summary: ClassVar[str] = "GLM-4.5: dense layers first, then experts with shared ones"
    architectures: ClassVar[tuple[str, ...]] = ("Glm4MoeForCausalLM",)

    intermediate_size: Count
    moe_intermediate_size: Count
    n_routed_experts: Few
    n_shared_experts: Size | None = None
    first_k_dense_replace: Size
    norm_topk_prob: Flag = True

    def score(self) -> RouterScore:
        return "sigmoid-bias"

    def moe_layers(self) -> tuple[int, ...]:
        return tuple(range(self.first_k_dense_replace, self.num_hidden_layers))

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
@families.register("deepseek_v3")
@families.register("kimi_k2")
class Deepseek(Glm4Moe):
    """DeepSeek-MoE, -V2, -V3 and Kimi-K2: with a `kv_lora_rank` attention is latent, else grouped-query."""

    summary: ClassVar[str] = "DeepSeek-MoE, -V2, -V3 and Kimi-K2: shared experts, latent attention since V2"
    architectures: ClassVar[tuple[str, ...]] = ("DeepseekForCausalLM", "DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM")

    norm_topk_prob: Flag
    moe_layer_freq: Count = 1
    scoring_func: Literal["softmax", "sigmoid"]
    topk_method: Literal["greedy", "group_limited_greedy", "noaux_tc"] = "greedy"
    q_lora_rank: Count | None = None
    kv_lora_rank: Count | None = None
    qk_nope_head_dim: Count | None = None
    qk_rope_head_dim: Count | None = None
    v_head_dim: Count | None = None

    def score(self) -> RouterScore:
        if self.scoring_func == "softmax":
            return "softmax"
        return "sigmoid-bias" if self.topk_method == "noaux_tc" else "sigmoid"

    def moe_layers(self) -> tuple[int, ...]:
        return tuple(i for i in super().moe_layers() if i % self.moe_layer_freq == 0)

    def attention(self, where: object) -> Attention:
        if self.kv_lora_rank is None:
            return super().attention(where)
        nope, rope, value = (
            self._required(name, where) for name in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
        )
        return Attention(
            kind="mla",
            heads=self.num_attention_heads,
            kv_heads=self.num_key_value_heads or self.num_attention_heads,
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
