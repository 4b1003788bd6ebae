"""LongCat-Flash: layers of two attentions, and experts without weights."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import AliasChoices, Field

from moe_cosim.schema import Count, Few, Flag, Size
from moe_cosim.workloads.models.families.deepseek import Deepseek
from moe_cosim.workloads.models.family import families


@families.register("longcat_flash")
class LongcatFlash(Deepseek):
    """A layer of the file is two here (arXiv 2509.01322, 2.2): latent attention and a dense block, twice. The experts
    stand beside the first dense block, which is entered as a shared expert; that their result is needed only after the
    second one, which hides traffic, is not modelled.
    """

    summary: ClassVar[str] = "LongCat-Flash: two attentions a layer, some of the experts give tokens back as they are"
    architectures: ClassVar[tuple[str, ...]] = ("LongcatFlashForCausalLM",)

    num_hidden_layers: Few = Field(validation_alias=AliasChoices("num_layers", "num_hidden_layers"))
    intermediate_size: Count = Field(validation_alias=AliasChoices("ffn_hidden_size", "intermediate_size"))
    moe_intermediate_size: Count = Field(
        validation_alias=AliasChoices("expert_ffn_hidden_size", "moe_intermediate_size")
    )
    num_experts_per_tok: Count = Field(12, validation_alias=AliasChoices("moe_topk", "num_experts_per_tok"))
    first_k_dense_replace: Size = 0
    head_dim: Count | None = None
    zero_expert_num: Size = 0
    zero_expert_type: Literal["identity"] | None = None
    """Absent: identity, the only one published."""
    norm_topk_prob: Flag = False

    def model_layers(self) -> int:
        return 2 * self.num_hidden_layers

    def moe_layers(self) -> tuple[int, ...]:
        return tuple(range(0, self.model_layers(), 2))

    def ffn(self) -> dict[str, Any]:
        return {
            **super().ffn(),
            "identity_experts": self.zero_expert_num,
            "shared_intermediate": self.intermediate_size,
        }
