"""Every count model of a field is one chain of back-off: uniform, then contexts of growing knowledge.

    p_0(y) = 1 / V,    p_k(y) = (c(ctx_k, y) + b_k p_{k-1}(y)) / (n(ctx_k) + b_k)

Add-one smoothing of the unigram is the empty context with b = V; additive smoothing with a is b = aV on the uniform.
"""

from dataclasses import dataclass

import numpy as np

from models.baselines.counting import ContextCounts
from models.baselines.event_history import Context, EventHistory
from schemas.events import UNK

LARGEST_BLOCK = 2**22
"""About how many candidate values are judged at once: 32 MB an array."""


@dataclass(frozen=True)
class Level:
    """A context and the strength b with which its counts lean on the level below."""

    context: Context
    b: float


@dataclass(frozen=True)
class BackOff:
    """A count model of one field: what was chosen, without the counts. No level is the uniform distribution."""

    field: int
    levels: tuple[Level, ...]

    def describe(self, history: EventHistory) -> str:
        """The contexts from the richest down, each with its b, as a person reads them."""
        levels = (
            f"{' and '.join(map(history.describe, level.context)) or 'anything'} (b {level.b:g})"
            for level in reversed(self.levels)
        )
        return ", else ".join(levels) or "uniform"


class CountedBackOff:
    """A model with its counts on the training targets, to be asked about any events of the same history."""

    def __init__(self, model: BackOff, history: EventHistory):
        self.history, self.field = history, model.field
        self.cardinality = int(history.cardinalities[model.field])
        self.strengths = [level.b for level in model.levels]
        self.codes, self.counts = [], []
        followed_by = history.values[history.train, model.field].astype(np.int64)
        for level in model.levels:
            codes, size = history.codes(level.context)
            self.codes.append(codes)
            self.counts.append(ContextCounts(codes[history.train], followed_by, size, self.cardinality))

    def probability(self, rows: np.ndarray, y: np.ndarray, depth: int | None = None) -> np.ndarray:
        """[n] probability that field of event rows[i] is y[i], by the lowest `depth` levels (None: all of them)."""
        p = np.full(len(rows), 1 / self.cardinality)
        for codes, counts, b in list(zip(self.codes, self.counts, self.strengths, strict=True))[:depth]:
            c, n = counts(codes[rows], y)
            p = (c + b * p) / (n + b)
        return p

    def likeliest(self, rows: np.ndarray) -> np.ndarray:
        """[n] value of the highest probability, the lowest number among equals.

        It has followed the richest context, or it is the likeliest of the level below: no other value can pass that
        one. So only those are judged, once for each combination of contexts.
        """
        best = np.full(len(rows), UNK)
        situation = np.zeros(len(rows), np.int64)
        for depth, (codes, counts) in enumerate(zip(self.codes, self.counts, strict=True), start=1):
            contexts = np.unique(codes[rows], return_inverse=True)[1]
            _, first, situation = np.unique(
                situation * (contexts.max(initial=0) + 1) + contexts, return_index=True, return_inverse=True
            )
            candidates = np.cumsum(counts.number_seen(codes[rows[first]]) + 1)
            blocks = np.split(first, np.flatnonzero(np.diff(candidates // LARGEST_BLOCK)) + 1)
            chosen = [
                self._likeliest_among_seen(rows[block], best[block], counts.seen(codes[rows[block]]), depth)
                for block in blocks
            ]
            best = np.concatenate(chosen)[situation]
        return best

    def _likeliest_among_seen(
        self, rows: np.ndarray, below: np.ndarray, seen: tuple[np.ndarray, np.ndarray], depth: int
    ) -> np.ndarray:
        owner, y = np.concatenate([np.arange(len(rows)), seen[0]]), np.concatenate([below, seen[1]])
        order = np.lexsort((y, -self.probability(rows[owner], y, depth), owner))
        is_first = np.diff(owner[order], prepend=-1) > 0
        return y[order][is_first]

    def score(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """nll [n] in nats and hit [n] bool of the targets; an UNK target is never a hit."""
        y = self.history.values[rows, self.field].astype(np.int64)
        return -np.log(self.probability(rows, y)), (self.likeliest(rows) == y) & (y != UNK)
