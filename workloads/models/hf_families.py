"""One class per family of Hugging Face configurations: its fields, and what they mean.

Sizes must be in the file. Switches that transformers' configuration classes give a default for may
be absent and then have that default; each is stated here. A class accepts every field it does not
know, as configuration files are full of training settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.units.base import ExpertShape
from moe_cosim.schema import Count, Few, Flag, Size
from moe_cosim.workloads.models.model import Attention, Model, RouterScore

_METHOD_BITS: Final = {"fp8": 8, "fbgemm_fp8": 8, "mxfp4": 4}
"""Weight bits of the quantization methods that do not state them."""


class Quantization(BaseModel):
    quant_method: str
    bits: Literal[1, 2, 3, 4, 8] | None = None

    def weight_bits(self, where: object) -> int:
        bits = self.bits or _METHOD_BITS.get(self.quant_method)
        if bits is None:
            allowed = f"{', '.join(_METHOD_BITS)}, or a method with its 'bits'"
            raise InputError(where, "quantization_config.quant_method", self.quant_method, allowed)
        return bits


class Family(BaseModel):
    """What all families share; subclasses say where their feed-forward sizes are."""

    hidden_size: Count
    num_hidden_layers: Few
    num_attention_heads: Count
    num_key_value_heads: Count | None = None
    """Absent: as many as heads."""
    head_dim: Count | None = None
    """Absent: hidden / heads."""
    vocab_size: Count
    tie_word_embeddings: Flag = False
    num_experts_per_tok: Count
    quantization_config: Quantization | None = None

    def attention(self, where: object) -> Attention:
        heads, hidden = self.num_attention_heads, self.hidden_size
        if self.head_dim is None and hidden % heads:
            raise InputError(where, "head_dim", Plain("nothing"), f"a size, as {heads} heads do not divide {hidden}")
        window, sliding = self.sliding(where)
        return Attention(
            kind="gqa",
            heads=heads,
            kv_heads=self.num_key_value_heads or heads,
            head_dim=self.head_dim or hidden // heads,
            sliding_window=window,
            sliding_layers=sliding,
        )

    def sliding(self, where: object) -> tuple[int | None, tuple[int, ...]]:
        """The window and the layers that have it."""
        return None, ()

    def moe_layers(self) -> tuple[int, ...]:
        return tuple(range(self.num_hidden_layers))

    def ffn(self) -> dict[str, Any]:
        """The fields of `Model` about experts, router and dense blocks; ``intermediate`` is one expert's."""
        raise NotImplementedError

    def build(self, name: str, where: Path) -> Model:
        ffn = self.ffn()
        moe_layers = self.moe_layers()
        if len(moe_layers) == self.num_hidden_layers:
            ffn["dense_intermediate"] = 0
        return Model(
            name=name,
            hf_id="",
            hidden=self.hidden_size,
            layers=self.num_hidden_layers,
            attention=self.attention(where),
            vocab=self.vocab_size,
            tied_embeddings=self.tie_word_embeddings,
            top_k=self.num_experts_per_tok,
            expert=ExpertShape(self.hidden_size, ffn.pop("intermediate")),
            moe_layers=moe_layers,
            native_bits=self.quantization_config.weight_bits(where) if self.quantization_config else 16,
            source=str(where),
            **ffn,
        ).validate(where)


class Mixtral(Family):
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


class PhiMoe(Mixtral):
    """As Mixtral, with another router: its two weights come from masked softmaxes and do not sum to 1."""

    score: ClassVar[RouterScore] = "sparsemixer"
    normalised: ClassVar[bool] = False


class GptOss(Mixtral):
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


class Olmoe(Family):
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


class Qwen3Moe(Family):
    """`intermediate_size` is the width of the dense layers, if any."""

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


class Qwen2Moe(Qwen3Moe):
    """With one shared expert; its one-column sigmoid gate is left out."""

    shared_expert_intermediate_size: Size
    max_window_layers: Size = 28

    def first_sliding_layer(self) -> int:
        return min(self.max_window_layers, self.num_hidden_layers)

    def ffn(self) -> dict[str, Any]:
        return {**super().ffn(), "shared_intermediate": self.shared_expert_intermediate_size}


class Glm4Moe(Family):
    """`num_nextn_predict_layers` (multi-token prediction) are not counted."""

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


class Deepseek(Glm4Moe):
    """DeepSeek-MoE, -V2, -V3 and Kimi-K2: with a `kv_lora_rank` attention is latent, else grouped-query."""

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
