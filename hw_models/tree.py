"""The links of a machine: a tree over its parts, by plain dictionaries.

`Machine.graph` is the same for networkx, which takes longer to import than a short run takes.
"""

from __future__ import annotations

from collections.abc import Iterable

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.components import Link


class Tree:
    """`parts` by name, joined by `links`. Raises `InputError`, naming `where`, for what is not one connected tree."""

    def __init__(self, parts: Iterable[str], links: Iterable[Link], where: str) -> None:
        self._beside: dict[str, dict[str, Link]] = {}
        for part in parts:
            if part in self._beside:
                raise InputError(where, "parts", part, "every part's name once")
            self._beside[part] = {}
        for link in links:
            self._join(link, where)
        if not self._beside:
            raise InputError(where, "parts", Plain("none"), "at least one unit and one memory")
        pieces = self._pieces()
        if len(pieces) > 1:
            fewest = min(len(piece) for piece in pieces)
            smallest = ", ".join(next(sorted(piece) for piece in pieces if len(piece) == fewest))
            raise InputError(where, "links", Plain(f"{smallest} not linked to the rest"), "a connected tree")
        if sum(map(len, self._beside.values())) != 2 * (len(self._beside) - 1):
            cycle = " - ".join(self._cycle())
            raise InputError(where, "links", Plain(f"the cycle {cycle}"), "a tree: one path between any two nodes")

    def way(self, source: str, target: str) -> list[str]:
        """The parts from `source` to `target`, both included."""
        before = self._reached_from(source)
        way = [target]
        while way[-1] != source:
            way.append(before[way[-1]])
        return way[::-1]

    def link(self, a: str, b: str) -> Link:
        """Between two parts beside each other."""
        return self._beside[a][b]

    def _join(self, link: Link, where: str) -> None:
        a, b = link.ends
        for end in link.ends:
            if end not in self._beside:
                raise InputError(where, f"links.{link.name}", end, self._beside)
        if a == b or b in self._beside[a]:
            raise InputError(where, f"links.{link.name}", Plain(f"{a} - {b}"), "a tree: no parallel links")
        self._beside[a][b] = self._beside[b][a] = link

    def _reached_from(self, start: str) -> dict[str, str]:
        """Every part that can be reached, and the one before it on the way."""
        before = {start: start}
        ahead = [start]
        while ahead:
            here = ahead.pop()
            for part in self._beside[here]:
                if part not in before:
                    before[part] = here
                    ahead.append(part)
        return before

    def _pieces(self) -> list[set[str]]:
        left, pieces = set(self._beside), []
        for part in self._beside:
            if part in left:
                pieces.append(set(self._reached_from(part)))
                left -= pieces[-1]
        return pieces

    def _cycle(self) -> list[str]:
        """Parts on some cycle, in order: what is left when ends are taken off, walked until a part comes again."""
        left = {part: set(beside) for part, beside in self._beside.items()}
        ends = [part for part, beside in left.items() if len(beside) == 1]
        while ends:
            end = ends.pop()
            for part in left.pop(end):
                left[part].discard(end)
                if len(left[part]) == 1:
                    ends.append(part)
        way = [next(iter(left))]
        while True:
            before = way[-2] if len(way) > 1 else None
            ahead = next(part for part in sorted(left[way[-1]]) if part != before)
            if ahead in way:
                return way[way.index(ahead) :]
            way.append(ahead)
