"""What all families of Hugging Face configurations share, and the registry of those known.

A third party registers its own with ``@families.register("my_model_type")`` in a module named by an entry
point ``my_model_type`` of the group ``moe_cosim.model_families``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import AliasChoices, AliasPath

from moe_cosim.errors import InputError
from moe_cosim.hw_models.shapes import ExpertShape
from moe_cosim.registry import Registry
from moe_cosim.schema import Count
from moe_cosim.workloads.models.attention import Attention, OtherAttention
from moe_cosim.workloads.models.checkpoint import read_checkpoint
from moe_cosim.workloads.models.decoder_config import DecoderConfig
from moe_cosim.workloads.models.model import Model

_WRITTEN: Final = {
    "top_k": "num_experts_per_tok",
    "kv_heads": "num_key_value_heads",
    "heads": "num_attention_heads",
    "dense_intermediate": "intermediate_size",
}
"""Fields of `Model` and `Attention`, and what configuration files call them."""


class Family(DecoderConfig):
    """One family: the fields of its ``config.json``. Subclasses say where their feed-forward sizes are.

    Sizes must be in the file. What transformers' configuration classes give a default for may be absent, or null
    where the class has no other meaning for that, and then has the default of the family; each is stated. Fields that
    have another name in files of other versions of transformers have both as aliases. Fields that are not known are
    accepted, as configuration files are full of training settings.
    """

    summary: ClassVar[str]
    """One line for listings."""
    architectures: ClassVar[tuple[str, ...]] = ()
    """Entries of ``architectures`` that mean this family where ``model_type`` is absent. Not inherited."""

    num_experts_per_tok: Count
    max_position_embeddings: Count | None = None
    """Absent: not said."""

    def attention(self, where: object) -> Attention:
        """Of the layers that `other_attention` has nothing about. Raises `InputError` for heads that cannot be."""
        self.check_heads(where)
        window, sliding = self.sliding(where)
        return Attention(
            kind="gqa",
            heads=self.num_attention_heads,
            kv_heads=self.kv_heads,
            head_dim=self.head_width,
            sliding_window=window,
            sliding_layers=sliding,
        )

    def other_attention(self, where: object) -> OtherAttention:
        """Of layers whose attention has other shapes. Raises `InputError` where the file names layers that the model
        does not have.
        """
        return ()

    def check(self, where: object) -> None:
        """Raise `InputError` for what this family's fields may say and cannot be meant here."""

    def model_layers(self) -> int:
        """All of them."""
        return self.num_hidden_layers

    def encoder_layer_count(self) -> int:
        """How many of them are an encoder: the first."""
        return 0

    def sliding(self, where: object) -> tuple[int | None, tuple[int, ...]]:
        """The window and the layers that have it. Raises `InputError` where the file's list of layers has another
        length.
        """
        return None, ()

    def moe_layers(self) -> tuple[int, ...]:
        """Layers with experts, increasing, numbered from 0; all of them unless a family says otherwise."""
        return tuple(range(self.num_hidden_layers))

    def ffn(self) -> dict[str, Any]:
        """The fields of `Model` about experts, router and dense blocks; ``intermediate`` is one expert's."""
        raise NotImplementedError

    def build(self, name: str, where: Path, hf_id: str = "", quantization: object = None) -> Model:
        """`quantization` as the file declares it. Raises `InputError` calling the file `where`."""
        self.check(where)
        ffn = self.ffn()
        moe_layers = self.moe_layers()
        if len(moe_layers) == self.model_layers():
            ffn["dense_intermediate"] = 0
        layers, has_shared = self.model_layers(), ffn["shared_intermediate"] > 0
        checkpoint = read_checkpoint(quantization, layers, has_shared, where)
        model = Model(
            name=name,
            hf_id=hf_id,
            hidden=self.hidden_size,
            layers=layers,
            encoder_layers=self.encoder_layer_count(),
            attention=self.attention(where),
            other_attention=self.other_attention(where),
            vocab=self.vocab_size,
            context_length=self.max_position_embeddings,
            tied_embeddings=self.tie_word_embeddings,
            top_k=self.num_experts_per_tok,
            expert=ExpertShape(
                ffn.pop("expert_hidden", self.hidden_size), ffn.pop("intermediate"), ffn.pop("matrices", 3)
            ),
            moe_layers=moe_layers,
            checkpoint=checkpoint,
            source=str(where),
            **ffn,
        )
        try:
            return model.validate(where)
        except InputError as error:
            raise error.at(where, self._written(error.field)) from None

    def _written(self, field: str) -> str:
        """What this family's files call a field of `Model`, where it is one number of theirs."""
        own = _WRITTEN.get(field, field)
        if own not in type(self).model_fields:
            return field
        alias: Any = type(self).model_fields[own].validation_alias
        alias = alias.choices[0] if isinstance(alias, AliasChoices) else alias
        return ".".join(map(str, alias.path)) if isinstance(alias, AliasPath) else alias or own


families: Registry[type[Family]] = Registry(
    "model family",
    "model_families",
    tuple(
        f"moe_cosim.workloads.models.families.{module}"
        for module in ("mixtral", "deepseek", "further", "hybrid", "stateful", "longcat", "encoder_decoder")
    ),
)
"""By ``model_type``."""
