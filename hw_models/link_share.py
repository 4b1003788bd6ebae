"""MoNDE's rule of thumb: how much of the work goes over the link, how much stays beside the memories."""

from __future__ import annotations

import math
from collections.abc import Collection

from moe_cosim.hw_models.machine import Machine


def link_share(machine: Machine, sources: Collection[str], target: str) -> float:
    """BW_link / (BW_memories + BW_link) of the memories `sources` and what they share on their ways to `target`.

    The link is the narrowest resource that all the ways have in common; 1 where nothing limits it, or
    they have none. A memory counts with what its arrays give: to the units inside it, where there are any.
    Source: MoNDE (DAC 2024, arXiv 2405.18832), without its alpha.
    """
    shared = set.intersection(*(set(machine.path(source, target).resources) for source in sources))
    link = min((machine.resources[index].bytes_per_s for index in shared), default=math.inf)
    if math.isinf(link):
        return 1.0
    return link / (sum(machine.memories[source].array_bytes_per_s for source in sources) + link)
