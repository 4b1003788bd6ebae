"""The ways between a machine's parts, by plain dictionaries.

The links are a tree over the parts, one way between any two, but for multi-headed devices: their ports, each linked to
a switch of the tree, lead to the device alone. Of the ways to such a device the one of the least latency is taken, and
of equal ones that over the link that the description lists first. A way back is the way there.

`Machine.graph` is the same for networkx, which takes longer to import than a short run takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from moe_cosim.errors import InputError, Plain
from moe_cosim.hw_models.components import Link, Switch


class Ways:
    """`parts` by name, joined by `links`; `switches` are those of the parts that have latencies and may have heads.

    Raises `InputError`, naming `where`, for what is not one connected tree but for the heads of multi-headed devices.
    """

    def __init__(self, parts: Iterable[str], links: Sequence[Link], switches: Sequence[Switch], where: str) -> None:
        self._latency_ps = {switch.name: switch.latency_ps for switch in switches}
        self._beside: dict[str, dict[str, Link]] = {}
        for part in parts:
            if part in self._beside:
                raise InputError(where, "parts", part, "every part's name once")
            self._beside[part] = {}
        for link in links:
            self._join(link, where)
        if not self._beside:
            raise InputError(where, "parts", Plain("none"), "at least one unit and one memory")
        self._order = {link.name: number for number, link in enumerate(links)}
        self._home = {part: part for part in self._beside}
        """The multi-headed switch behind which a part lies; of all others the part itself."""
        self._heads: dict[str, list[Link]] = {}
        for switch in switches:
            if switch.multi_headed:
                self._take_off(switch, where)
        self._check(where)

    def way(self, source: str, target: str) -> list[str]:
        """The parts from `source` to `target`, both included."""
        start, end = self._home[source], self._home[target]
        if start == end:
            return [*self._inside(source), *self._inside(target)[-2::-1]] if source != target else [source]
        ways = [
            [*before, *self._through_tree(before[-1], behind[0])[1:-1], *behind]
            if before[-1] != behind[0]
            else [*before, *behind[1:]]
            for before in self._towards_tree(source)
            for behind in (way[::-1] for way in self._towards_tree(target))
        ]
        return ways[0] if len(ways) == 1 else min(ways, key=self._cost)

    def link(self, a: str, b: str) -> Link:
        """Between two parts beside each other."""
        return self._beside[a][b]

    def _cost(self, way: list[str]) -> tuple[int, list[int]]:
        """Latency, and the heads that it takes."""
        links = [self._beside[a][b] for a, b in itertools.pairwise(way)]
        latency_ps = sum(link.latency_ps for link in links) + sum(self._latency_ps.get(part, 0) for part in way[1:-1])
        return latency_ps, sorted(self._order[link.name] for link in links if set(link.ends) & set(self._heads))

    def _inside(self, part: str) -> list[str]:
        """From a part to the multi-headed switch at which it hangs."""
        return [part] if part == self._home[part] else [part, self._home[part]]

    def _towards_tree(self, part: str) -> list[list[str]]:
        """The ways from a part to the first part of the tree: one for each head, or the part itself."""
        home = self._home[part]
        if home not in self._heads:
            return [[part]]
        return [[*self._inside(part), _other(head, home)] for head in self._heads[home]]

    def _through_tree(self, source: str, target: str) -> list[str]:
        before = self._reached_from(source)
        way = [target]
        while way[-1] != source:
            way.append(before[way[-1]])
        return way[::-1]

    # -- checks -----------------------------------------------------------------------------

    def _join(self, link: Link, where: str) -> None:
        a, b = link.ends
        for end in link.ends:
            if end not in self._beside:
                raise InputError(where, f"links.{link.name}", end, self._beside)
        if a == b or b in self._beside[a]:
            raise InputError(where, f"links.{link.name}", Plain(f"{a} - {b}"), "a tree: no parallel links")
        self._beside[a][b] = self._beside[b][a] = link

    def _take_off(self, switch: Switch, where: str) -> None:
        """Note the heads of a multi-headed switch, and what lies behind them."""
        self._heads[switch.name] = []
        for part, link in self._beside[switch.name].items():
            if part in self._latency_ps:
                if part in self._heads:
                    allowed = "a switch that is not multi-headed at one end"
                    raise InputError(where, f"links.{link.name}", Plain(f"{part} - {switch.name}"), allowed)
                self._heads[switch.name].append(link)
            elif len(self._beside[part]) > 1:
                found = Plain(f"{part}, which other links join too")
                raise InputError(where, f"switches.{switch.name}", found, "parts of a multi-headed device on one link")
            else:
                self._home[part] = switch.name

    def _check(self, where: str) -> None:
        tree = [part for part in self._beside if self._home[part] not in self._heads]
        pieces = self._pieces(tree)
        pieces += [{switch} for switch, heads in self._heads.items() if not heads]
        if len(pieces) > 1:
            fewest = min(len(piece) for piece in pieces)
            smallest = ", ".join(next(sorted(piece) for piece in pieces if len(piece) == fewest))
            raise InputError(where, "links", Plain(f"{smallest} not linked to the rest"), "a connected tree")
        links = sum(beside not in self._heads for part in tree for beside in self._beside[part]) // 2
        if tree and links > len(tree) - 1:
            cycle = " - ".join(self._cycle(tree))
            allowed = "a tree: one path between any two nodes (but for the ports of a multi-headed device)"
            raise InputError(where, "links", Plain(f"the cycle {cycle}"), allowed)

    def _reached_from(self, start: str) -> dict[str, str]:
        """Every part of the tree that can be reached, and the one before it on the way."""
        before = {start: start}
        ahead = [start]
        while ahead:
            here = ahead.pop()
            for part in self._beside[here]:
                if part not in before and part not in self._heads:
                    before[part] = here
                    ahead.append(part)
        return before

    def _pieces(self, tree: Sequence[str]) -> list[set[str]]:
        left, pieces = set(tree), []
        for part in tree:
            if part in left:
                pieces.append(set(self._reached_from(part)))
                left -= pieces[-1]
        return pieces

    def _cycle(self, tree: Sequence[str]) -> list[str]:
        """Parts on some cycle, in order: what is left when ends are taken off, walked until a part comes again."""
        left = {part: {beside for beside in self._beside[part] if beside not in self._heads} for part in tree}
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


def _other(link: Link, end: str) -> str:
    a, b = link.ends
    return b if end == a else a
