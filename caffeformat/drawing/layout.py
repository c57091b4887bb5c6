"""Where boxes go: ranks along the flow, an order within each rank, places and routes.

This is the usual way to draw a layered graph (Sugiyama, Tagawa, Toda, 1981): edges that pass a rank
get a waypoint in it, barycentres order the ranks, and places minimize squared distances under that
order. Directions are abstract here: `flow` leads away from the inputs, `cross` is across it.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, NamedTuple, Union

if TYPE_CHECKING:
    from collections.abc import Sequence

    # (cross, flow), in pixels
    Point = tuple[float, float]
    # A box, or a waypoint (edge, rank)
    Item = Union[int, tuple[int, int]]
    Links = collections.defaultdict[Item, list[tuple[Item, int]]]


GAP = 34  # between neighbours in a rank, pixels
LANE = 18  # between a passing edge and its neighbours
RANK_GAP = 46  # between ranks
_PORT = 14  # between edges at a box
_SWEEPS = 12
_STRAIGHT = 1000  # the pull along the longest path; other edges have 1 to 7


class Place(NamedTuple):
    """The centre of a box."""

    cross: float
    flow: float


class Layout(NamedTuple):
    """Where everything is, in pixels."""

    # One per box
    places: list[Place]
    # Points of each edge; every second step is straight along the flow
    routes: list[list[Point]]
    # The boxes in each rank
    ranks: list[list[int]]
    # (begin, end) of each rank along the flow
    spans: list[Point]
    # (cross, flow) of the whole
    extent: Point


def lay_out(sizes: Sequence[Point], edges: Sequence[tuple[int, int]]) -> Layout:
    """The `Layout` of boxes of `sizes` ((cross, flow) pixels) with `edges` [(source, target)].

    A source must have a lower number than its target.
    """
    rank_of = _ranks(len(sizes), edges)
    grid = _Grid(sizes, edges, rank_of)
    grid.order()
    cross = grid.cross_places()
    low = min(cross[item] - grid.breadth(item) / 2 for rank in grid.ranks for item in rank)
    cross = {item: place - low for item, place in cross.items()}
    high = max(cross[item] + grid.breadth(item) / 2 for rank in grid.ranks for item in rank)
    ranks = [[item for item in rank if isinstance(item, int)] for rank in grid.ranks]
    spans: list[Point] = []
    flow: float = 0
    for rank in ranks:
        depth = max((sizes[box][1] for box in rank), default=0.0)
        spans.append((flow, flow + depth))
        flow += depth + RANK_GAP
    places = [Place(cross[box], sum(spans[rank_of[box]]) / 2) for box in range(len(sizes))]
    routes = _Router(sizes, edges, grid.paths, cross, places).routes(spans, rank_of)
    return Layout(places, routes, ranks, spans, (high, flow - RANK_GAP))


def _ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Box -> rank: as early as possible; side branches and inputs close to what uses them."""
    before: collections.defaultdict[int, list[int]] = collections.defaultdict(list)
    after: collections.defaultdict[int, list[int]] = collections.defaultdict(list)
    for source, target in edges:
        before[target].append(source)
        after[source].append(target)
    ranks: list[int] = []
    for box in range(count):
        ranks.append(max((ranks[source] + 1 for source in before[box]), default=0))
    for box in reversed(range(count)):
        if after[box] and len(before[box]) <= len(after[box]):
            ranks[box] = min(ranks[target] for target in after[box]) - 1
    first = min(ranks)
    return [rank - first for rank in ranks]


class _Grid:
    """Boxes (numbers) and waypoints (edge, rank) in ranks."""

    def __init__(
        self, sizes: Sequence[Point], edges: Sequence[tuple[int, int]], rank_of: list[int]
    ) -> None:
        self.sizes = sizes
        self.ranks: list[list[Item]] = [[] for _ in range(max(rank_of) + 1)]
        for box, rank in enumerate(rank_of):
            self.ranks[rank].append(box)
        self.before: Links = collections.defaultdict(list)
        self.after: Links = collections.defaultdict(list)
        self.paths: list[list[Item]] = []
        for number, (source, target) in enumerate(edges):
            points = [(number, rank) for rank in range(rank_of[source] + 1, rank_of[target])]
            for point in points:
                self.ranks[point[1]].append(point)
            path: list[Item] = [source, *points, target]
            self.paths.append(path)
            for one, two in zip(path, path[1:]):
                # Long edges pull hard on their waypoints so that they run straight.
                pull = 1 + 3 * sum(isinstance(item, tuple) for item in (one, two))
                self.after[one].append((two, pull))
                self.before[two].append((one, pull))
        self._favour_the_spine()

    def _favour_the_spine(self) -> None:
        """Let the longest path through the net run straight as well."""
        length: dict[Item, int] = {}
        for rank in reversed(self.ranks):
            for item in rank:
                length[item] = 1 + max((length[other] for other, _ in self.after[item]), default=0)
        item = max(self.ranks[0], key=lambda box: length[box])
        self.spine = [item]
        while self.after[item]:
            # Of equally long ways, prefer those through boxes to those past them.
            further = max(self.after[item], key=lambda e: (length[e[0]], isinstance(e[0], int)))[0]
            for links, one, two in ((self.after, item, further), (self.before, further, item)):
                links[one] = [(o, _STRAIGHT if o == two else pull) for o, pull in links[one]]
            item = further
            if isinstance(item, int):
                self.spine.append(item)

    def breadth(self, item: Item) -> float:
        """The size of a box across the flow; 0 for a waypoint."""
        return self.sizes[item][0] if isinstance(item, int) else 0

    def order(self) -> None:
        """Order every rank by its neighbours' places, keeping the order with fewest crossings."""
        spine = set(self.spine)
        for rank in self.ranks:
            rank.sort(key=lambda item: (item not in spine, isinstance(item, tuple)))
        best, fewest = [list(rank) for rank in self.ranks], self._crossings()
        for sweep in range(_SWEEPS):
            if not fewest:
                break
            down = sweep % 2 == 0
            links = self.before if down else self.after
            for rank in self.ranks if down else reversed(self.ranks):
                self._sort(rank, links)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(rank) for rank in self.ranks], crossings
        self.ranks = best

    def _sort(self, rank: list[Item], links: Links) -> None:
        position = {item: n for other in self.ranks for n, item in enumerate(other)}
        keys: dict[Item, float] = {}
        for item in rank:
            near = [position[other] for other, _ in links[item]]
            keys[item] = sum(near) / len(near) if near else position[item]
        rank.sort(key=lambda item: keys[item])

    def _crossings(self) -> int:
        total = 0
        for rank, following in zip(self.ranks, self.ranks[1:]):
            position = {item: n for n, item in enumerate(following)}
            ends: list[int] = []
            for item in rank:
                ends += sorted(position[o] for o, _ in self.after[item] if o in position)
            total += _inversions(ends)
        return total

    def cross_places(self) -> dict[Item, float]:
        """Item -> place across the flow, near its neighbours, in order, without overlap."""
        places: dict[Item, float] = {}
        for rank in self.ranks:
            places.update(zip(rank, spread([0] * len(rank), [1] * len(rank), self._gaps(rank))))
        sweeps = [self.before, self.after] * _SWEEPS
        for links in sweeps:
            both = links is self.before
            for rank in self.ranks if both else reversed(self.ranks):
                targets: list[float] = []
                weights: list[float] = []
                for item in rank:
                    near = links[item] or self.before[item] or self.after[item]
                    pull = sum(weight for _, weight in near)
                    targets.append(
                        sum(places[o] * weight for o, weight in near) / pull
                        if pull
                        else places[item]
                    )
                    weights.append(pull or 0.1)
                places.update(zip(rank, spread(targets, weights, self._gaps(rank))))
        return places

    def _gaps(self, rank: list[Item]) -> list[float]:
        """Least distance between the centres of neighbours."""
        gaps: list[float] = []
        for one, two in zip(rank, rank[1:]):
            boxes = isinstance(one, int) and isinstance(two, int)
            gaps.append((self.breadth(one) + self.breadth(two)) / 2 + (GAP if boxes else LANE))
        return gaps


def spread(
    targets: Sequence[float], weights: Sequence[float], gaps: Sequence[float]
) -> list[float]:
    """Places nearest to `targets` (weighted least squares) that keep their order and `gaps`.

    By pool-adjacent-violators: without the gaps, neighbours in the wrong order share a place.
    """
    offsets: list[float] = [0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    pools: list[tuple[float, float, int]] = []  # place, weight, how many share it
    for target, weight, offset in zip(targets, weights, offsets):
        pools.append((target - offset, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            place, weight, count = pools.pop()
            before, pull, more = pools.pop()
            total = pull + weight
            pools.append(((before * pull + place * weight) / total, total, more + count))
    flat = [place for place, _, count in pools for _ in range(count)]
    return [place + offset for place, offset in zip(flat, offsets)]


def _inversions(values: Sequence[int]) -> int:
    """Pairs in the wrong order."""
    seen: list[int] = []
    count = 0
    for value in values:
        count += sum(other > value for other in seen)
        seen.append(value)
    return count


class _Router(NamedTuple):
    """What the ways of edges depend on."""

    sizes: Sequence[Point]
    edges: Sequence[tuple[int, int]]
    paths: list[list[Item]]
    cross: dict[Item, float]
    places: list[Place]

    def routes(self, spans: list[Point], rank_of: list[int]) -> list[list[Point]]:
        """The points of every edge, from box to box through its waypoints."""
        leaves, enters = self._ports(0), self._ports(1)
        routes: list[list[Point]] = []
        for number, (source, target) in enumerate(self.edges):
            route = [(leaves[number], self.places[source].flow + self.sizes[source][1] / 2)]
            route.append((leaves[number], spans[rank_of[source]][1]))
            for point in self.paths[number][1:-1]:
                assert isinstance(point, tuple)
                begin, end = spans[point[1]]
                route += [(self.cross[point], begin), (self.cross[point], end)]
            route.append((enters[number], spans[rank_of[target]][0]))
            route.append((enters[number], self.places[target].flow - self.sizes[target][1] / 2))
            routes.append(route)
        return routes

    def _ports(self, end: int) -> dict[int, float]:
        """Edge -> where on its box it leaves (end 0) or enters (end 1), across the flow."""
        by_box: collections.defaultdict[int, list[int]] = collections.defaultdict(list)
        ports: dict[int, float] = {}
        for number, edge in enumerate(self.edges):
            by_box[edge[end]].append(number)
        for box, numbers in by_box.items():
            reach = self.sizes[box][0] * 0.38
            center = self.places[box].cross
            step = min(_PORT, 2 * reach / max(len(numbers) - 1, 1))
            towards = {n: self.cross[self.paths[n][-2 if end else 1]] for n in numbers}
            numbers = sorted(numbers, key=lambda number: towards[number])
            wanted = [min(max(towards[n], center - reach), center + reach) for n in numbers]
            found = spread(wanted, [1] * len(wanted), [step] * (len(wanted) - 1))
            # Spreading may push ports past the box's edge: move all of them back inside.
            shift = min(0, center + reach - found[-1]) or max(0, center - reach - found[0])
            ports.update((n, place + shift) for n, place in zip(numbers, found))
        return ports
