"""Families whose layers attend in more than one way: by an index, linear attention, Mamba, heads of two sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field

from moe_cosim.errors import InputError, Plain
from moe_cosim.schema import Count, Few, Flag, Size
from moe_cosim.workloads.models.attention import Attention, OtherAttention
from moe_cosim.workloads.models.families.deepseek import DeepseekV3, Glm4Moe
from moe_cosim.workloads.models.families.mixtral import Qwen3Moe
from moe_cosim.workloads.models.family import Family, families


def _by_layer(found: list[Any], layers: int, where: object, field: str) -> list[Any]:
    if len(found) != layers:
        raise InputError(where, field, Plain(f"{len(found)} entries"), f"one for each of {layers} layers")
    return found


@families.register("deepseek_v32")
class DeepseekV32(DeepseekV3):
    summary: ClassVar[str] = "DeepSeek-V3.2: as V3, attending to the tokens that an index selects"
    architectures: ClassVar[tuple[str, ...]] = ("DeepseekV32ForCausalLM",)

    q_lora_rank: Count = 1536
    index_n_heads: Count = 64
    index_head_dim: Count = 128
    index_topk: Count = 2048
    indexer_types: list[Literal["full", "shared"]] | None = None
    """``shared``: takes what a layer before it selected. Absent: every layer has its own index."""

    def attention(self, where: object) -> Attention:
        latent = super().attention(where)
        heads, dim = self.index_n_heads, self.index_head_dim
        return replace(latent, index_heads=heads, index_dim=dim, index_topk=self.index_topk)

    def other_attention(self, where: object) -> OtherAttention:
        if self.indexer_types is None:
            return ()
        kinds = _by_layer(self.indexer_types, self.num_hidden_layers, where, "indexer_types")
        sharing = tuple(layer for layer, kind in enumerate(kinds) if kind == "shared")
        return ((replace(self.attention(where), index_heads=0, index_dim=0), sharing),) if sharing else ()


@families.register("glm_moe_dsa")
class GlmMoeDsa(DeepseekV32):
    """Absent: GLM-5's."""

    summary: ClassVar[str] = "GLM-5: as DeepSeek-V3.2, since 5.2 with an index for several layers"
    architectures: ClassVar[tuple[str, ...]] = ("GlmMoeDsaForCausalLM",)

    q_lora_rank: Count = 2048
    index_n_heads: Count = 32


@families.register("qwen3_next")
@families.register("qwen3_5_moe")
@families.register("qwen3_5_moe_text")
class Qwen3Next(Qwen3Moe):
    """Absent: Qwen3-Next-80B-A3B's. Linear layers are gated delta nets (arXiv 2412.06464); full attention is gated."""

    summary: ClassVar[str] = "Qwen3-Next and Qwen3.5-MoE: three of four layers with linear attention"
    architectures: ClassVar[tuple[str, ...]] = ("Qwen3NextForCausalLM", "Qwen3_5MoeForConditionalGeneration")

    intermediate_size: Count = 5632
    norm_topk_prob: Flag = True
    head_dim: Count | None = 256
    shared_expert_intermediate_size: Size = 512
    layer_types: list[Literal["linear_attention", "full_attention"]] | None = None
    full_attention_interval: Count = 4
    attn_output_gate: Flag = True
    linear_conv_kernel_dim: Count = 4
    linear_key_head_dim: Count = 128
    linear_value_head_dim: Count = 128
    linear_num_key_heads: Count = 16
    linear_num_value_heads: Count = 32

    def attention(self, where: object) -> Attention:
        return replace(super().attention(where), gated=self.attn_output_gate)

    def other_attention(self, where: object) -> OtherAttention:
        every = range(self.num_hidden_layers)
        if self.layer_types is None:
            linear = tuple(layer for layer in every if (layer + 1) % self.full_attention_interval)
        else:
            kinds = _by_layer(self.layer_types, len(every), where, "layer_types")
            linear = tuple(layer for layer in every if kinds[layer] == "linear_attention")
        state = Attention(
            kind="linear",
            heads=self.linear_num_value_heads,
            kv_heads=self.linear_num_value_heads,
            head_dim=self.linear_key_head_dim,
            v_head_dim=self.linear_value_head_dim,
            key_heads=self.linear_num_key_heads,
            conv_kernel=self.linear_conv_kernel_dim,
        )
        return ((state, linear),)

    def ffn(self) -> dict[str, Any]:
        return {**super().ffn(), "shared_intermediate": self.shared_expert_intermediate_size}


@families.register("gemma4")
@families.register("gemma4_text")
class Gemma4(Family):
    """A dense block stands beside the experts of every layer, entered as a shared expert. Full layers have their own
    heads, whose keys are their values where `attention_k_eq_v` says so (entered as both, in one cache of two)."""

    summary: ClassVar[str] = "Gemma 4 with experts: a dense block beside them, five of six layers slide"
    architectures: ClassVar[tuple[str, ...]] = ("Gemma4ForConditionalGeneration", "Gemma4ForCausalLM")

    head_dim: Count | None = 256
    global_head_dim: Count = 512
    num_global_key_value_heads: Count | None = None
    tie_word_embeddings: Flag = True
    intermediate_size: Count
    """Of the dense block."""
    moe_intermediate_size: Count
    enable_moe_block: Literal[True]
    num_experts: Few
    num_experts_per_tok: Count = Field(validation_alias="top_k_experts")
    sliding_window: Count = 1024
    layer_types: list[Literal["sliding_attention", "full_attention"]]

    def attention(self, where: object) -> Attention:
        plain = super().attention(where)
        kv_heads = self.num_global_key_value_heads or plain.kv_heads
        return replace(plain, head_dim=self.global_head_dim, kv_heads=kv_heads)

    def other_attention(self, where: object) -> OtherAttention:
        kinds = _by_layer(self.layer_types, self.num_hidden_layers, where, "layer_types")
        layers = tuple(layer for layer, kind in enumerate(kinds) if kind == "sliding_attention")
        plain = super().attention(where)
        return ((replace(plain, sliding_window=self.sliding_window, sliding_layers=layers), layers),)

    def ffn(self) -> dict[str, Any]:
        return {
            "routed_experts": self.num_experts,
            "intermediate": self.moe_intermediate_size,
            "shared_intermediate": self.intermediate_size,
            "dense_intermediate": 0,
            "router_score": "softmax",
            "norm_topk_prob": True,
        }


class _BlockSparse(BaseModel):
    sparse_topk_blocks: Count
    sparse_block_size: Count
    sparse_num_index_heads: Count
    sparse_index_dim: Count
    sparse_attention_freq: list[Literal[0, 1]]


@families.register("minimax_m3")
@families.register("minimax_m3_vl")
class MiniMaxM3(Glm4Moe):
    """Blocks of keys that an index selects are entered as as many keys; index queries come from the hidden state."""

    summary: ClassVar[str] = "MiniMax-M3: attention to blocks of keys that an index selects, dense layers first"
    architectures: ClassVar[tuple[str, ...]] = ("MiniMaxM3ForCausalLM",)

    intermediate_size: Count = Field(validation_alias="dense_intermediate_size")
    moe_intermediate_size: Count = Field(validation_alias=AliasChoices("moe_intermediate_size", "intermediate_size"))
    n_routed_experts: Few = Field(validation_alias="num_local_experts")
    sparse: _BlockSparse = Field(validation_alias="sparse_attention_config")

    def attention(self, where: object) -> Attention:
        index, plain = self.sparse, super().attention(where)
        topk = index.sparse_topk_blocks * index.sparse_block_size
        heads, dim = index.sparse_num_index_heads, index.sparse_index_dim
        return replace(plain, index_heads=heads, index_dim=dim, index_topk=topk)

    def other_attention(self, where: object) -> OtherAttention:
        field = "sparse_attention_config.sparse_attention_freq"
        kinds = _by_layer(self.sparse.sparse_attention_freq, self.num_hidden_layers, where, field)
        full = tuple(layer for layer, sparse in enumerate(kinds) if not sparse)
        return ((super().attention(where), full),) if full else ()


@families.register("mimo_v2_flash")
class MiMoV2(Glm4Moe):
    summary: ClassVar[str] = "MiMo-V2-Flash: four of five layers slide, with other heads than the full ones"
    architectures: ClassVar[tuple[str, ...]] = ("MiMoV2FlashForCausalLM",)

    v_head_dim: Count
    sliding_window: Count = 128
    swa_num_attention_heads: Count
    swa_num_key_value_heads: Count
    swa_head_dim: Count
    swa_v_head_dim: Count
    hybrid_layer_pattern: list[Literal[0, 1]]
    """1: the layer slides."""

    def attention(self, where: object) -> Attention:
        return replace(super().attention(where), v_head_dim=self.v_head_dim)

    def other_attention(self, where: object) -> OtherAttention:
        kinds = _by_layer(self.hybrid_layer_pattern, self.num_hidden_layers, where, "hybrid_layer_pattern")
        layers = tuple(layer for layer, slides in enumerate(kinds) if slides)
        sliding = Attention(
            kind="gqa",
            heads=self.swa_num_attention_heads,
            kv_heads=self.swa_num_key_value_heads,
            head_dim=self.swa_head_dim,
            v_head_dim=self.swa_v_head_dim,
            sliding_window=self.sliding_window,
            sliding_layers=layers,
        )
        return ((sliding, layers),)


def _letters(found: object) -> object:
    letters = {"mamba": "M", "linear_attention": "M", "attention": "*", "full_attention": "*", "moe": "E", "mlp": "-"}
    return "".join(letters.get(str(word), "?") for word in found) if isinstance(found, list) else found


@families.register("nemotron_h")
class NemotronH(Family):
    """Its pattern lists mixers (``M`` Mamba-2, ``*`` attention) and feed-forward blocks (``E`` experts, ``-`` dense)
    one by one; a mixer and the block behind it are a layer here, and a mixer that another follows is one without block.

    Mamba-2 (arXiv 2405.21060) is linear attention with `n_groups` heads of keys. Experts are two matrices.
    """

    summary: ClassVar[str] = "Nemotron 3: Mamba-2 layers, a few with attention, experts between them"
    architectures: ClassVar[tuple[str, ...]] = ("NemotronHForCausalLM",)

    num_hidden_layers: Few = 1
    """Of no meaning here: the pattern says."""
    pattern: Annotated[str, BeforeValidator(_letters), Field(pattern=r"^[M*]([E-]?[M*])*[E-]?$")] = Field(
        validation_alias=AliasChoices("hybrid_override_pattern", "layers_block_type")
    )
    """Newer files list words instead of letters."""
    intermediate_size: Count | None = None
    """Of dense blocks."""
    moe_intermediate_size: Count
    moe_shared_expert_intermediate_size: Size
    n_routed_experts: Few
    norm_topk_prob: Flag = True
    mamba_num_heads: Count
    mamba_head_dim: Count
    ssm_state_size: Count
    n_groups: Count
    conv_kernel: Count = 4
    moe_latent_size: Count | None = None
    """Width on which the routed experts work; absent: the hidden size."""

    @property
    def mixers(self) -> str:
        """The pattern without its blocks: a letter for each layer."""
        return self.pattern.replace("E", "").replace("-", "")

    def check(self, where: object) -> None:
        bare = len(self.mixers) - self.pattern.count("E") - self.pattern.count("-")
        if "-" in self.pattern and bare:
            allowed = "dense blocks behind all mixers that have no experts, or behind none"
            raise InputError(where, "hybrid_override_pattern", self.pattern, allowed)
        if "-" in self.pattern and self.intermediate_size is None:
            raise InputError(where, "intermediate_size", Plain("nothing"), "a width, as there are dense blocks")

    def model_layers(self) -> int:
        return len(self.mixers)

    def moe_layers(self) -> tuple[int, ...]:
        found, layer = [], -1
        for block in self.pattern:
            if block == "E":
                found.append(layer)
            elif block != "-":
                layer += 1
        return tuple(found)

    def other_attention(self, where: object) -> OtherAttention:
        mamba = Attention(
            kind="linear",
            heads=self.mamba_num_heads,
            kv_heads=self.mamba_num_heads,
            head_dim=self.ssm_state_size,
            v_head_dim=self.mamba_head_dim,
            key_heads=self.n_groups,
            conv_kernel=self.conv_kernel,
            numbers_per_head=1,
        )
        return ((mamba, tuple(layer for layer, mixer in enumerate(self.mixers) if mixer == "M")),)

    def ffn(self) -> dict[str, Any]:
        return {
            "routed_experts": self.n_routed_experts,
            "intermediate": self.moe_intermediate_size,
            "matrices": 2,
            "expert_hidden": self.moe_latent_size or self.hidden_size,
            "shared_intermediate": self.moe_shared_expert_intermediate_size,
            "dense_intermediate": (self.intermediate_size or 0) if "-" in self.pattern else 0,
            "router_score": "sigmoid-bias",
            "norm_topk_prob": self.norm_topk_prob,
        }
