"""Choosing contexts and strengths on the validation targets, one level at a time."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from models.baselines.backoff import BackOff, Level
from models.baselines.counting import ContextCounts
from models.baselines.event_history import Context, EventHistory

STRENGTHS = (0.3, 1, 3, 10, 30, 100)
"""The b of back-off that are tried."""


@dataclass(frozen=True)
class Candidate:
    """A chain of levels and what it gives the validation targets."""

    levels: tuple[Level, ...]
    p: np.ndarray
    """[n] probability of each validation target's own value."""
    nll: float
    """Its mean negative log, in nats: what choices are made on."""


class FieldSearch:
    """Count models of one field. Only the counts that validation targets ask for are looked up, each context once."""

    def __init__(self, history: EventHistory, field: int):
        self.history, self.field = history, field
        self.cardinality = int(history.cardinalities[field])
        self.y_train = history.values[history.train, field].astype(np.int64)
        self.y_val = history.values[history.val, field].astype(np.int64)
        self._counted: dict[Context, tuple[np.ndarray, np.ndarray]] = {}
        self.uniform = Candidate((), np.full(len(self.y_val), 1 / self.cardinality), float(np.log(self.cardinality)))
        self.unigram = self.extend(self.uniform, (), [self.cardinality])

    def extend(self, below: Candidate, context: Context, strengths: Iterable[float] = STRENGTHS) -> Candidate:
        """`below` with one more level on top, its b the best of `strengths`, the smallest among equals."""
        c, n = self._counts(context)
        best = None
        for b in strengths:
            p = (c + b * below.p) / (n + b)
            nll = -float(np.log(p).mean())
            if best is None or nll < best.nll:
                best = Candidate((*below.levels, Level(context, float(b))), p, nll)
        return best

    def model(self, candidate: Candidate) -> BackOff:
        return BackOff(self.field, candidate.levels)

    def _counts(self, context: Context) -> tuple[np.ndarray, np.ndarray]:
        if context not in self._counted:
            codes, size = self.history.codes(context)
            counts = ContextCounts(codes[self.history.train], self.y_train, size, self.cardinality)
            self._counted[context] = counts(codes[self.history.val], self.y_val)
        return self._counted[context]


def best(candidates: Iterable[Candidate]) -> Candidate:
    """The lowest validation cross-entropy, the first among equals."""
    return min(candidates, key=lambda candidate: candidate.nll)
