"""Sizes of what units compute."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class ExpertShape:
    """A feed-forward expert: `matrices` weight matrices of hidden x intermediate (3 with a gate)."""

    hidden: int
    intermediate: int
    matrices: int = 3

    @property
    def weights(self) -> int:
        """Number of weights of all its matrices."""
        return self.matrices * self.hidden * self.intermediate


@dataclass(frozen=True)
class AttentionShape:
    """Scores and attended values of one layer, without its projections.

    With latent attention (DeepSeek-V2, arXiv 2405.04434, 2.1.2) queries are projected into the latent space
    first: all heads share one key, and its first `value_dim` values are the value.
    """

    heads: int
    kv_heads: int
    key_dim: int
    value_dim: int
    latent: bool = False

    def of_queries(self, count: int) -> AttentionShape:
        """What a decode kernel computes for `count` tokens of a sequence at once, whose keys and values it reads once:
        they are rows beside the heads that share a key."""
        return replace(self, heads=self.heads * count)

    @property
    def values_per_key(self) -> int:
        """Numbers kept in the cache per token."""
        return self.kv_heads * (self.key_dim + (0 if self.latent else self.value_dim))

    @property
    def products_per_pair(self) -> int:
        """Multiplications for one query token and one key."""
        return self.heads * (self.key_dim + self.value_dim)
