"""A directed graph in compact arrays: what is reached, in which order, what goes round.

It knows nothing of systems: nodes are numbers from 0, an arrow goes from its tail to its head.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

Mask = NDArray[np.bool_]
Numbers = NDArray[np.int32]


class Digraph:
    """Nodes and arrows by number.

    Attributes:
        nodes: How many nodes.
        tails: Where each arrow starts, shape (arrows,), in the order given.
        heads: Where it ends, shape (arrows,).
    """

    def __init__(self, nodes: int, tails: ArrayLike, heads: ArrayLike) -> None:
        """Keep the arrows, sorted by their tails too.

        Args:
            nodes: How many nodes.
            tails: Numbers below `nodes`, one an arrow; an arrow may stand there several times.
            heads: As many.

        Raises:
            ValueError: An arrow ends at no node, or there are more tails than heads or fewer.
        """
        self.nodes = nodes
        self.tails = np.asarray(tails, dtype=np.int32)
        self.heads = np.asarray(heads, dtype=np.int32)
        if self.tails.shape != self.heads.shape:
            raise ValueError(f"{self.tails.size} tails and {self.heads.size} heads")
        for ends in (self.tails, self.heads):
            if ends.size and (ends.min() < 0 or ends.max() >= nodes):
                raise ValueError(f"an arrow ends at none of the {nodes} nodes")
        self._by_tail: Numbers = np.argsort(self.tails, kind="stable").astype(np.int32)
        counts = np.bincount(self.tails, minlength=nodes)
        self._first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        self._next: Numbers = self.heads[self._by_tail]
        # scipy walks over float64 matrices; ones made here are not made again by each walk.
        self._ones = np.ones(self._next.size + 1)

    def reached(self, starts: Iterable[int]) -> Mask:
        """Every node that can be reached, the starts included; shape (nodes,)."""
        begin = np.unique(np.fromiter(starts, dtype=np.int32))
        found = np.zeros(self.nodes, dtype=bool)
        if not begin.size:
            return found
        if begin.size == 1:
            matrix = self._matrix(self._first, self._next)
            first = int(begin[0])
        else:  # one more node, with an arrow to each start
            first = self.nodes
            room = np.append(self._first, self._first[-1] + begin.size).astype(np.int32)
            matrix = self._matrix(room, np.concatenate([self._next, begin]))
        walked = breadth_first_order(matrix, first, directed=True, return_predecessors=False)
        found[walked[walked < self.nodes]] = True
        return found

    def leaving(self, nodes: Mask) -> Mask:
        """Which arrows start at one of these nodes; shape (arrows,)."""
        return nodes[self.tails]

    @cached_property
    def reversed(self) -> "Digraph":
        """The same with every arrow turned round."""
        return Digraph(self.nodes, self.heads, self.tails)

    def order(self) -> list[int] | None:
        """Every node after all from which an arrow leads to it; None where something circles.

        Among nodes that may come next, the one that has been free for longest does (Kahn 1962).
        """
        first, following = self._first.tolist(), self._next.tolist()
        waits = np.bincount(self.heads, minlength=self.nodes).tolist()
        free = deque(node for node, before in enumerate(waits) if not before)
        done: list[int] = []
        while free:
            node = free.popleft()
            done.append(node)
            for reader in following[first[node] : first[node + 1]]:
                waits[reader] -= 1
                if not waits[reader]:
                    free.append(reader)
        return done if len(done) == self.nodes else None

    def components(self) -> Numbers:
        """A number for each node, the same for nodes that can all reach each other."""
        if not self.nodes:
            return np.zeros(0, dtype=np.int32)
        # Where an arrow stands there twice, scipy 1.17 never comes back.
        once = np.unique(self.tails.astype(np.int64) * self.nodes + self.heads)
        ends = (once // self.nodes, once % self.nodes)
        matrix = csr_array((np.ones(once.size), ends), shape=(self.nodes, self.nodes))
        _, found = connected_components(matrix, directed=True, connection="strong")
        return np.asarray(found, dtype=np.int32)

    def circles(self) -> list[list[int]]:
        """One shortest way round for each set of nodes that can all reach each other.

        Returns:
            Lists of nodes in the direction of the arrows, the first one repeated at the end.
        """
        component = self.components()
        inside = component[self.tails] == component[self.heads]
        apart: dict[int, dict[int, list[int]]] = {}
        for tail, head in zip(
            self.tails[inside].tolist(), self.heads[inside].tolist(), strict=True
        ):
            apart.setdefault(int(component[tail]), {}).setdefault(tail, []).append(head)
        return sorted(_shortest(readers) for readers in apart.values())

    def _matrix(self, first: Numbers, following: Numbers) -> csr_array:
        nodes = first.size - 1
        ones = self._ones
        if following.size > ones.size:
            ones = np.ones(following.size)
        return csr_array((ones[: following.size], following, first), shape=(nodes, nodes))


def _shortest(readers: Mapping[int, Sequence[int]]) -> list[int]:
    """A shortest way round through the lowest node, where all nodes can reach each other."""
    start = min(readers)
    came_from: dict[int, int] = {}
    queue = deque([start])
    while start not in came_from:
        node = queue.popleft()
        for reader in readers[node]:
            if reader not in came_from:
                came_from[reader] = node
                queue.append(reader)
    way = [start, came_from[start]]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]
