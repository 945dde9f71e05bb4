"""Windows of sequences with what they may see, as index arithmetic on the table: no Python loop per sample.

The cut-off of a prediction is an input event: the window's first (`context_at: window`) or each in turn (`event`).
Sources hold what came before it: of other sequences, events with an earlier time; of its own, events before it.

Legend: N events, F fields, B windows, T input events, C cut-offs, S streams, R rows, L events a row.
"""

from collections.abc import Sequence

import numpy as np
import torch

from datamodules.events.table import MICROSECONDS, EventTable
from schemas.batches import EventBatch
from schemas.errors import ConfigError
from schemas.events import UNK, Stream


class StreamIndex:
    """The events of every value of one field by time: a group before a moment is a slice of `order`.

    Without a key the group is the event's own sequence, and the moment is the event itself.
    """

    def __init__(self, table: EventTable, stream: Stream, time_rank: np.ndarray):
        self.stream = stream
        if stream.key is None:
            self.order = np.arange(len(table.time))
            self._begin, self._end = table.starts[table.sequence], self.order
            return
        number = next((i for i, field in enumerate(table.fields) if field.name == stream.key), None)
        if number is None:
            raise ConfigError(
                f"there is no field {stream.key!r}",
                where=f"datamodule.streams.{stream.name}.key",
                remedy=f"Fields: {', '.join(field.name for field in table.fields)}.",
            )
        if number in table.known_at:
            raise ConfigError(
                f"{stream.key!r} is known only later, so that its groups would tell it too early",
                where=f"datamodule.streams.{stream.name}.key",
                remedy="Key the stream on another field.",
            )
        self.cardinality = table.fields[number].cardinality
        self._moments, self._time_rank = int(time_rank.max(initial=0)) + 1, time_rank
        keys = table.values[:, number].astype(np.int64) * self._moments + time_rank
        self.order = np.argsort(keys, kind="stable")
        self._keys = keys[self.order]
        if stream.groups == "context":
            self._begin = np.searchsorted(self._keys, keys - time_rank)
            self._end = np.searchsorted(self._keys, keys)

    def slices(self, cut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where in `order` each group begins and, at the cut-off events, ends: [..., groups] each."""
        if self.stream.groups == "context":
            return self._begin[cut][..., None], self._end[cut][..., None]
        value = np.arange(1, self.cardinality + 1) * self._moments
        begin = np.broadcast_to(np.searchsorted(self._keys, value), (*cut.shape, self.cardinality))
        return begin, np.searchsorted(self._keys, value + self._time_rank[cut][..., None])


class EventWindows:
    """Gathers whole batches.

    Args:
        src_seq_len: L, the latest events that a group keeps.
        context_at: `window` or `event`.
    """

    def __init__(self, table: EventTable, streams: Sequence[Stream], src_seq_len: int, context_at: str):
        self.table, self.src_seq_len, self.context_at = table, src_seq_len, context_at
        _, time_rank = np.unique(table.time, return_inverse=True)
        self.indices = [StreamIndex(table, stream, time_rank) for stream in streams]
        self._order = np.concatenate([index.order for index in self.indices] or [np.zeros(0, np.int64)])
        gap = np.diff(table.time, prepend=table.time[:1]) / MICROSECONDS
        self.log_gap = np.log1p(np.where(table.rank > 0, gap, 0)).astype(np.float32)

    def gather(self, first: np.ndarray, targets: np.ndarray, scored: np.ndarray) -> EventBatch:
        """The windows whose first input events are rows `first` [B], each with `targets` [B] events to predict.

        Args:
            scored: [N] bool by row, or [B, T] bool by position.
        """
        steps = np.arange(int(targets.max()) + 1)
        rows_BT1 = first[:, None] + np.minimum(steps, targets[:, None])
        real_BT1 = steps <= targets[:, None]
        cut_BC = rows_BT1[:, :1] if self.context_at == "window" else rows_BT1[:, :-1]
        source, age, length, stream = self._sources(cut_BC)
        if scored.ndim == 1:
            scored = scored[rows_BT1[:, 1:]]
        return EventBatch(
            source=torch.from_numpy(source),
            source_age=torch.from_numpy(age),
            source_length=torch.from_numpy(length),
            stream=torch.from_numpy(stream),
            target=torch.from_numpy(np.where(real_BT1[..., None], self.table.values[rows_BT1], 0).astype(np.int64)),
            target_gap=torch.from_numpy(np.where(real_BT1, self.log_gap[rows_BT1], np.float32(0))),
            target_length=torch.from_numpy(targets + 1),
            scored=torch.from_numpy(scored & real_BT1[:, 1:]),
            sequence_id=torch.from_numpy(self.table.sequence[first].astype(np.int64)),
        )

    def _sources(self, cut_BC: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        table, L = self.table, self.src_seq_len
        begins, ends, stream, offset = [], [], [], 0
        for number, index in enumerate(self.indices):
            begin, end = index.slices(cut_BC)
            begins.append(begin + offset)
            ends.append(end + offset)
            stream += [number] * begin.shape[-1]
            offset += len(index.order)
        empty = np.zeros((*cut_BC.shape, 0), np.int64)
        begin_BCR, end_BCR = (np.concatenate(parts or [empty], axis=-1) for parts in (begins, ends))
        length_BCR = np.minimum(end_BCR - begin_BCR, L)
        place = end_BCR[..., None] - L + np.arange(L)
        real = place >= begin_BCR[..., None]
        event = self._order[np.where(real, place, 0)] if len(self._order) else np.zeros(place.shape, np.int64)
        source = table.values[event]
        now = table.time[cut_BC][:, :, None, None]
        for field, known_at in table.known_at.items():
            hidden = (known_at[event] > now) & (table.sequence[event] != table.sequence[cut_BC][:, :, None, None])
            source[..., field] = np.where(hidden, UNK, source[..., field])
        source *= real[..., None]
        age = np.where(real, np.log1p(np.maximum(now - table.time[event], 0) / MICROSECONDS), 0).astype(np.float32)
        return source, age, length_BCR.astype(np.int64), np.array(stream, dtype=np.int64)


def evaluation_windows(table: EventTable, split: str, length: int) -> tuple[np.ndarray, np.ndarray]:
    """First rows [W] and target counts [W] of windows that overlap by half and hold every target of the split.

    Each target of rank r is scored in one window, where at least min(r, length // 2) events precede it: the first
    window of its sequence where r <= length, else the first that begins early enough.
    """
    targets = table.targets(split)
    first, number = np.unique(scoring_windows(table, split, length)[targets], return_inverse=True)
    last = np.zeros(len(first), dtype=np.int64)
    np.maximum.at(last, number, targets)
    return first, last - first


def scoring_windows(table: EventTable, split: str, length: int) -> np.ndarray:
    """[N] the first row of the one window in which each target of the split is scored; -1 where nothing is."""
    targets, home = table.targets(split), np.full(len(table.time), -1)
    rank = table.rank[targets]
    home[targets] = targets - rank + _window_of(rank, length)
    return home


def scored_here(home: np.ndarray, first: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """[B, T] bool: what is scored in these of the overlapping windows, given `scoring_windows`."""
    rows = first[:, None] + np.arange(1, int(targets.max()) + 1)
    return home[np.minimum(rows, len(home) - 1)] == first[:, None]


def _window_of(rank: np.ndarray, length: int) -> np.ndarray:
    """The rank of the first event of the window in which a target of this rank is scored."""
    half = max(1, length // 2)
    return np.maximum(0, -(-(rank - length) // half)) * half


def training_windows(table: EventTable, length: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """First rows [W] and target counts [W] of windows that tile every sequence's training part, from a random phase.

    The number of windows does not depend on the phase: a sequence of n targets has ceil(n / length).
    """
    train = table.targets("train")
    last = np.zeros(len(table.starts) - 1, dtype=np.int64)
    np.maximum.at(last, table.sequence[train], table.rank[train])
    members = np.flatnonzero(last)
    n, begin = last[members], table.starts[members]
    windows = -(-n // length)
    phase = generator.integers(n - (windows - 1) * length, np.minimum(n, length) + 1)
    owner = np.repeat(np.arange(len(members)), windows)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(windows) - windows, windows)
    first = np.where(place == 0, 0, phase[owner] + (place - 1) * length)
    targets = np.where(place == 0, phase[owner], np.minimum(length, n[owner] - first))
    return begin[owner] + first, targets
