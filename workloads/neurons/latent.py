"""The latent model of activity: a neuron is active where a sum of normals is above a threshold.

What a neuron's activity hangs on has three parts: what it is in the model (the same in every text), what the text at
hand makes of it, and what the token does, which fades from token to token. Their shares of the variance follow from
published statistics in closed form, and nothing else is fitted:

- *density*: share of the neurons that a token needs;
- *hot share*: of the work, what the busiest fifth of the neurons, known offline, does;
- *similarity*: of the neurons that a token needs, the share that the next token needs too, and one far behind it;
- *layer similarity*: the same of the neuron most alike in the layer before.

Neurons of a *bundle*, neighbours, share the last two parts: they become active together, each at its own level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from moe_cosim.errors import InputError, Plain
from moe_cosim.workloads.neurons.normal import NORMAL, both_above, correlation_for

HOT_NEURONS: Final = 0.2
"""The share of neurons of which the hot share is told (Hermes, arXiv 2502.16963, III-A: 20 % do 80 %)."""


@dataclass(frozen=True)
class ActivityTargets:
    """What the model is solved from, as shares of 1."""

    density: float
    hot_share: float
    next_similarity: float
    far_similarity: float
    layer_similarity: float


@dataclass(frozen=True)
class Latent:
    """Shares of the variance, and how fast parts fade."""

    threshold: float
    own: float
    """Of what a neuron is in the model."""
    text: float
    """Of what the text makes of it."""
    token: float
    """Of what fades."""
    fading: float
    """Correlation of that part from token to token."""
    layers: float
    """Correlation of what the text and the token do from layer to layer; what a neuron is stays."""

    @classmethod
    def solved(cls, wanted: ActivityTargets, where: object) -> Self:
        """The model with these statistics. Raises `InputError` where they contradict each other."""
        density = wanted.density
        threshold = NORMAL.inv_cdf(1.0 - density)
        hot = NORMAL.inv_cdf(1.0 - HOT_NEURONS)

        def similar(correlation: float) -> float:
            return both_above(threshold, threshold, correlation) / density

        def hot_work(correlation: float) -> float:
            return both_above(hot, threshold, correlation) / density

        offline = correlation_for(wanted.hot_share, hot_work)
        if offline is None:
            raise InputError(
                where,
                "neurons.hot_share",
                wanted.hot_share,
                f"{HOT_NEURONS} to {min(1.0, HOT_NEURONS / density):.3g}, what a fifth can do at density {density}",
            )
        own = offline**2
        following, far, layers = (
            _correlation(similar, value, density, f"neurons.{name}", where)
            for name, value in (
                ("next_similarity", wanted.next_similarity),
                ("far_similarity", wanted.far_similarity),
                ("layer_similarity", wanted.layer_similarity),
            )
        )
        if far < own:
            found = Plain(f"{wanted.far_similarity} at density {density}")
            least = f"at least {similar(own):.3f}: so alike are any two tokens where a fifth does {wanted.hot_share}"
            raise InputError(where, "neurons.far_similarity", found, least)
        if following < far:
            raise InputError(
                where, "neurons.next_similarity", wanted.next_similarity, "no less than the far similarity"
            )
        if layers < own:
            raise InputError(
                where, "neurons.layer_similarity", wanted.layer_similarity, f"at least {similar(own):.3f} here"
            )
        fading = (following - far) / (1.0 - far) if far < 1.0 else 0.0
        return cls(threshold, own, far - own, 1.0 - far, fading, (layers - own) / (1.0 - own))

    def similarity(self, distance: int) -> float:
        """Of two tokens of one text, so many tokens apart."""
        correlation = self.own + self.text + self.token * self.fading**distance
        if distance == 0:
            return 1.0
        return both_above(self.threshold, self.threshold, correlation) / (1.0 - NORMAL.cdf(self.threshold))


def _correlation(similar: object, value: float, density: float, field: str, where: object) -> float:
    assert callable(similar)
    found = correlation_for(value, similar)
    if found is None:
        raise InputError(where, field, value, f"{density} to 1")
    return found
