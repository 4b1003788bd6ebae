"""The fields that the ``config.json`` of every decoder has, of those with experts and of those that draft."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, model_validator

from moe_cosim.errors import InputError, Plain
from moe_cosim.schema import Count, Few, Flag


class DecoderConfig(BaseModel):
    """Named as in the file; fields that are not known are accepted, as these files are full of training settings."""

    hidden_size: Count
    num_hidden_layers: Few
    num_attention_heads: Count
    num_key_value_heads: Count | None = None
    """Absent: as many as heads."""
    head_dim: Count | None = None
    """Absent: hidden / heads."""
    vocab_size: Count
    tie_word_embeddings: Flag = False

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Where null means nothing else: newer files write null for what older ones leave out."""
        default = {
            name
            for name, field in cls.model_fields.items()
            if not field.is_required() and type(None) not in get_args(field.annotation)
        }
        return {name: value for name, value in data.items() if value is not None or name not in default}

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values; as many as of queries where the file does not say."""
        return self.num_key_value_heads or self.num_attention_heads

    @property
    def head_width(self) -> int:
        """Numbers of a head; hidden size over heads where the file does not say."""
        return self.head_dim or self.hidden_size // self.num_attention_heads

    def check_heads(self, where: object) -> None:
        """Raise `InputError` where the width of a head is not said, and cannot be what is left."""
        heads, hidden = self.num_attention_heads, self.hidden_size
        if self.head_dim is None and hidden % heads:
            raise InputError(where, "head_dim", Plain("nothing"), f"a size, as {heads} heads do not divide {hidden}")
