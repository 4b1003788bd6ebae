"""What a framework's copies reach of a link, where a publication says no more than that its rates are low."""

from __future__ import annotations

from typing import Any, Final

LINK_EFFICIENCIES: Final = (None, 0.6, 0.4, 0.25, 0.14)
"""None: the machine's, of copies from pinned memory. 0.4: a layer's experts of 2.82 GB in 224 ms over 31.5 GB/s
(Klotski, arXiv 2502.06888, figure 15). 0.14: the 4 GB/s that CoX-MoE's rates imply (arXiv 2605.17889, its ablation).
Both saw rows of those papers: that their own fits take one of them is no finding."""


def slower_copies(link: str, efficiency: float | None) -> dict[str, Any]:
    """The settings of an experiment."""
    return {} if efficiency is None else {f"machine.set.links.{link}.efficiency": efficiency}
