"""Events as integers: one matrix, sorted by (sequence, time).

Legend: N events, F fields, S sequences.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from schemas.events import EventField

SPLITS = ("train", "val", "test")
MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class EventTable:
    """All events of a data set, in all splits."""

    fields: tuple[EventField, ...]
    values: np.ndarray
    """[N, F] int32; 1 is UNK, 0 (PAD) does not occur."""
    time: np.ndarray
    """[N] int64 microseconds since 1970, never falling within a sequence."""
    sequence: np.ndarray
    """[N] int32 number of the event's sequence, never falling."""
    starts: np.ndarray
    """[S + 1] int64 first event of each sequence, and N."""
    split: np.ndarray
    """[N] int8, index into SPLITS: where the event is as a target. Its history may lie in an earlier split."""
    known_at: Mapping[int, np.ndarray]
    """Field number -> [N] int64 microseconds: when other sequences learn the field's value."""
    sequence_names: np.ndarray
    """[S] the sequence key's own values, as text."""
    fingerprint: str
    """Checksum of the source and of the description that made the table."""
    notes: tuple[str, ...] = ()
    """What a person should know: shares of capped and unseen values, rows dropped, constant fields."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """What the source knows of itself and its model should be compared with (entropy floors)."""

    @property
    def rank(self) -> np.ndarray:
        """[N] int64, how many events precede the event in its sequence."""
        return np.arange(len(self.time)) - self.starts[self.sequence]

    def targets(self, split: str) -> np.ndarray:
        """[n] int64 events of that split that have a predecessor in their sequence: all that is ever predicted."""
        return np.flatnonzero((self.split == SPLITS.index(split)) & (self.rank > 0))
