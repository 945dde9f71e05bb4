"""Tables of integers for tests of windows."""

import numpy as np

from datamodules.events.table import EventTable
from schemas.events import EventField

CARDINALITY = 4
FIELDS = (
    EventField("colour", ("red", "green", "blue"), "category", "dynamic"),
    EventField("shape", ("round", "square", "flat"), "category", "dynamic"),
    EventField("delay", ("none", "some", "much"), "category", "dynamic", known_later=True),
)


def make_table(
    sequence: np.ndarray, time: np.ndarray, values: np.ndarray, known_at: np.ndarray, split: np.ndarray | None = None
) -> EventTable:
    """A table of events in any order; ties in time keep the order given. Times are in seconds."""
    order = np.lexsort((np.arange(len(time)), time, sequence))
    _, number = np.unique(sequence[order], return_inverse=True)
    counts = np.bincount(number)
    return EventTable(
        fields=FIELDS,
        values=values[order].astype(np.int32),
        time=time[order].astype(np.int64) * 1_000_000,
        sequence=number.astype(np.int32),
        starts=np.concatenate([[0], np.cumsum(counts)]),
        split=(np.zeros(len(time)) if split is None else split[order]).astype(np.int8),
        known_at={2: known_at[order].astype(np.int64) * 1_000_000},
        sequence_names=np.arange(len(counts)).astype(str),
        fingerprint="test",
    )


def random_events(rng: np.random.Generator, events: int, sequences: int, moments: int) -> dict[str, np.ndarray]:
    """Columns of `make_table`, in order of time, with many ties."""
    time = np.sort(rng.integers(0, moments, events))
    return {
        "sequence": rng.integers(0, sequences, events),
        "time": time,
        "values": rng.integers(1, CARDINALITY + 1, (events, len(FIELDS))),
        "known_at": time + rng.integers(0, 4, events),
    }
