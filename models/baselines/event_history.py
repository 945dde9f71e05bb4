"""The past of every event as context codes, from which conditional counts are made.

Legend: N events, F fields, D dynamic fields, V a field's cardinality (UNK counts, PAD does not).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from schemas.errors import DataError
from schemas.events import PAD

Source = tuple[int, int]
"""(field, lag): the field's value that many events before the target; lag 0 is the target event itself."""
Context = tuple[Source, ...]
"""What a conditional count is conditioned on; () is nothing."""
LARGEST_CODE = 2**31
"""Codes stay below it, so that code * V stays in int64."""


@dataclass(frozen=True)
class EventHistory:
    """All events of a data set, sorted by sequence and time, and which of them are targets.

    Args:
        values: [N, F] integers; 1 is UNK, 0 (PAD) does not occur.
        rank: [N] how many events precede each in its sequence; the previous one is the row above.
        cardinalities: [F] V.
        names: [F] field names.
        dynamic: [D] numbers of the fields that are predicted; the others are context only.
        train, val: rows that are targets, each with a predecessor. Counts are made on `train`, choices on `val`.

    Raises:
        DataError: for shapes that do not fit, values outside 1..V, no targets, or a target without a predecessor.
    """

    values: np.ndarray
    rank: np.ndarray
    cardinalities: Sequence[int]
    names: Sequence[str]
    dynamic: Sequence[int]
    train: np.ndarray
    val: np.ndarray

    def __post_init__(self):
        events, fields = self.values.shape
        if len(self.rank) != events or len(self.cardinalities) != fields or len(self.names) != fields:
            raise DataError(
                f"{events} events of {fields} fields do not fit {len(self.rank)} ranks, "
                f"{len(self.cardinalities)} cardinalities and {len(self.names)} names",
                where="count baselines",
            )
        if len(self.dynamic) == 0:
            raise DataError("no field is dynamic: there is nothing to predict", where="count baselines")
        for split in ("train", "val"):
            if len(getattr(self, split)) == 0:
                raise DataError("there is no event with a predecessor to count or choose on", where=f"{split} split")
            self.check_targets(getattr(self, split))
        outside = np.flatnonzero(
            (self.values.min(axis=0) <= PAD) | (self.values.max(axis=0) > np.asarray(self.cardinalities))
        )
        if len(outside):
            raise DataError("has values outside 1..V", where=f"field {self.names[outside[0]]}")

    def check_targets(self, rows: np.ndarray) -> None:
        """Raises DataError if one of these events is the first of its sequence: nothing predicts it."""
        first = np.flatnonzero(self.rank[rows] == 0)
        if len(first):
            raise DataError("is the first of its sequence and cannot be a target", where=f"event {rows[first[0]]}")

    @cached_property
    def columns(self) -> np.ndarray:
        """[F, N]: the values with each field's own in one piece, which halves the time of a search."""
        return np.ascontiguousarray(self.values.T)

    def column(self, source: Source) -> np.ndarray:
        """[N] a field's value `lag` events earlier; PAD where the sequence had not begun."""
        field, lag = source
        if lag == 0:
            return self.columns[field]
        earlier = np.roll(self.columns[field], lag)
        earlier[self.rank < lag] = PAD
        return earlier

    def codes(self, context: Context) -> tuple[np.ndarray, int]:
        """[N] int64 one number for each combination of the sources' values, and a bound that all are below."""
        codes, size = np.zeros(len(self.values), np.int64), 1
        for source in context:
            choices = self.cardinalities[source[0]] + 1
            codes, size = codes * choices + self.column(source), size * int(choices)
            if size > LARGEST_CODE:
                distinct, codes = np.unique(codes, return_inverse=True)
                size = len(distinct)
        return codes, size

    def describe(self, source: Source) -> str:
        """What a person calls it: `last carrier`, `hour 3 back`, `carrier of the same event`."""
        name, lag = self.names[source[0]], source[1]
        return f"{name} of the same event" if lag == 0 else f"last {name}" if lag == 1 else f"{name} {lag} back"
