"""Mixtral, gpt-oss, OLMoE and Qwen with their kin: experts in every layer or every so many, grouped-query attention."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import AliasChoices, Field

from moe_cosim.errors import InputError, Plain
from moe_cosim.schema import Count, Few, Flag, Size
from moe_cosim.workloads.models.family import Family, families
from moe_cosim.workloads.models.model import RouterScore


@families.register("mixtral")
class Mixtral(Family):
    summary: ClassVar[str] = "Mixtral: every layer has experts"
    architectures: ClassVar[tuple[str, ...]] = ("MixtralForCausalLM",)

    intermediate_size: Count
    num_local_experts: Few
    sliding_window: Size | None = None
    """Nothing or 0: none."""

    score: ClassVar[RouterScore] = "softmax-topk"
    normalised: ClassVar[bool] = True

    def sliding(self, where: object) -> tuple[int | None, tuple[int, ...]]:
        return self.sliding_window or None, self.moe_layers() if self.sliding_window else ()

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
    sliding_window: Size | None = 128
    layer_types: list[Literal["sliding_attention", "full_attention"]] | None = None
    """Absent: alternating, the first layer slides."""

    def sliding(self, where: object) -> tuple[int | None, tuple[int, ...]]:
        layers = self.num_hidden_layers
        if not self.sliding_window:
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
@families.register("qwen3_vl_moe")
@families.register("qwen3_vl_moe_text")
class Qwen3Moe(Family):
    """`intermediate_size` is the width of the dense layers, if any. Of the models that also see, the text
    tower."""

    summary: ClassVar[str] = "Qwen3-MoE: many experts, none shared"
    architectures: ClassVar[tuple[str, ...]] = ("Qwen3MoeForCausalLM", "Qwen3VLMoeForConditionalGeneration")

    intermediate_size: Count
    moe_intermediate_size: Count
    num_experts: Few = Field(validation_alias=AliasChoices("num_experts", "num_local_experts"))
    """`num_local_experts` as transformers 5 writes it."""
    norm_topk_prob: Flag = False
    decoder_sparse_step: Count = 1
    mlp_only_layers: list[Size] | None = None
    use_sliding_window: Flag = False
    sliding_window: Size | None = None

    def sliding(self, where: object) -> tuple[int | None, tuple[int, ...]]:
        if not self.use_sliding_window or not self.sliding_window:
            return None, ()
        return self.sliding_window, tuple(range(self.first_sliding_layer(), self.num_hidden_layers))

    def first_sliding_layer(self) -> int:
        """The first of the layers that slide, which go on to the last."""
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


@families.register("qwen3_omni_moe")
@families.register("qwen3_omni_moe_text")
class Qwen3OmniMoe(Qwen3Moe):
    summary: ClassVar[str] = "Qwen3-Omni-MoE: the thinker, as Qwen3-MoE"
    architectures: ClassVar[tuple[str, ...]] = ("Qwen3OmniMoeForConditionalGeneration",)

    head_dim: Count | None = 128


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
