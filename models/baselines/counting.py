"""Counts of integers that may be many and far apart, and counts of a value in a context.

Memory is that of the events counted, never that of all combinations which could occur.
"""

import numpy as np

DENSE = 2**20
"""Below so many possible keys a plain array is faster than sorting, and small."""


class Tally:
    """How often each key occurs.

    Args:
        keys: [n] int64, each in [0, size).
        size: how many different keys are possible.
    """

    def __init__(self, keys: np.ndarray, size: int):
        if size <= DENSE:
            self.table = np.bincount(keys, minlength=size)
        else:
            self.table = None
            self.keys, self.counts = np.unique(keys, return_counts=True)

    def __call__(self, query: np.ndarray) -> np.ndarray:
        """[q] how often each key of the query occurred."""
        if self.table is not None:
            return self.table[query]
        place = np.minimum(np.searchsorted(self.keys, query), len(self.keys) - 1)
        return np.where(self.keys[place] == query, self.counts[place], 0)

    def distinct(self) -> np.ndarray:
        """The keys that occur, rising."""
        return self.keys if self.table is None else np.flatnonzero(self.table)


class ContextCounts:
    """c(context, y) and n(context) over the events counted.

    Args:
        contexts: [n] int64 codes in [0, size).
        y: [n] the value that followed, 1..V.
        size: how many context codes are possible.
        cardinality: V.
    """

    def __init__(self, contexts: np.ndarray, y: np.ndarray, size: int, cardinality: int):
        self.width = cardinality + 1
        self.pairs = Tally(contexts * self.width + y, size * self.width)
        self.totals = Tally(contexts, size)

    def __call__(self, contexts: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """c [q] and n [q]."""
        return self.pairs(contexts * self.width + y), self.totals(contexts)

    def number_seen(self, contexts: np.ndarray) -> np.ndarray:
        """[q] how many different values followed each of these contexts."""
        first, end = self._spans(contexts)[1:]
        return end - first

    def seen(self, contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Every value that followed each of these contexts: [m] place in `contexts`, never falling, and [m] value."""
        pairs, first, end = self._spans(contexts)
        number = end - first
        owner = np.repeat(np.arange(len(contexts)), number)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(number) - number, number)
        return owner, pairs[first[owner] + within] % self.width

    def _spans(self, contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All distinct (context, y) keys, rising, and where those of each of these contexts begin and end."""
        pairs = self.pairs.distinct()
        first, end = (np.searchsorted(pairs, bound * self.width) for bound in (contexts, contexts + 1))
        return pairs, first, end
