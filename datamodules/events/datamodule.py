"""The LightningDataModule of event sequences: a source, its table, and loaders of whole windows."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import lightning as L
import numpy as np
from torch.utils.data import DataLoader, Dataset

from datamodules.events.checks import check_events
from datamodules.events.sources import Source
from datamodules.events.table import EventTable
from datamodules.events.vocabulary import TableSpec, build_table
from datamodules.events.windows import (
    EventWindows,
    evaluation_windows,
    scored_here,
    scoring_windows,
    training_windows,
)
from datamodules.loading import batch_loader
from datamodules.sampling import EpochSampler
from schemas.batches import EventBatch
from schemas.errors import ConfigError, DataError
from schemas.events import EventSchema, Stream
from schemas.findings import Finding
from storage import fingerprint

Window = tuple[int, int]
"""The row of its first input event, and how many events it predicts."""


class WindowRows(Dataset):
    """Windows of a table; a list of them is read as one batch.

    An index is a window, or the number of one of the split's own (in training: of epoch 0's).
    """

    def __init__(self, windows: EventWindows, split: str, length: int, seed: int):
        self.windows, self.split, self.length, self.seed = windows, split, length, seed
        table = windows.table
        if split == "train":
            self.first, self.targets = training_windows(table, length, np.random.default_rng((seed, 0)))
            self.wanted = np.zeros(len(table.time), dtype=bool)
            self.wanted[table.targets("train")] = True
            # Sequences are sorted; whoever reads in order (debug=overfit) shall meet them all.
            order = np.random.default_rng(0).permutation(len(self.first))
            self.first, self.targets = self.first[order], self.targets[order]
        else:
            self.first, self.targets = evaluation_windows(table, split, length)
            self.home = scoring_windows(table, split, length)

    def __len__(self) -> int:
        return len(self.first)

    def __getitems__(self, indices: Sequence[int] | Sequence[Window]) -> EventBatch:
        if isinstance(indices[0], tuple):
            first, targets = np.array(indices, dtype=np.int64).T
        else:
            first, targets = self.first[indices], self.targets[indices]
        if self.split == "train":
            return self.windows.gather(first, targets, self.wanted)
        return self.windows.gather(first, targets, scored_here(self.home, first, targets))


class WindowSampler(EpochSampler[Window]):
    """Training windows in a new order and from a new phase each pass."""

    def __init__(self, table: EventTable, length: int, seed: int, draws: int | None = None):
        super().__init__(len(training_windows(table, length, np.random.default_rng((seed, 0)))[0]), draws)
        self.table, self.length, self.seed = table, length, seed

    def order(self, number: int) -> list[Window]:
        generator = np.random.default_rng((self.seed, number))
        first, targets = training_windows(self.table, self.length, generator)
        order = generator.permutation(len(first))
        return list(zip(first[order].tolist(), targets[order].tolist(), strict=True))


def _read_stream(name: str, settings: Mapping, sequence: str) -> Stream:
    where = f"datamodule.streams.{name}"
    if not isinstance(settings, Mapping) or "key" not in settings or not set(settings) <= {"key", "groups"}:
        remedy = "As {key: FIELD, groups: context}; groups may be left out."
        raise ConfigError(f"{settings} describes no stream", where=where, remedy=remedy)
    key = settings["key"]
    return Stream(name, None if key == sequence else key, settings.get("groups", "context"))


class EventDataModule(L.LightningDataModule):
    """Events of one source.

    Args:
        source: where the rows come from.
        sequence: the column that tells the sequences apart.
        time: the column of moments; `time_format` and `order_by` (columns that break ties) help to read it.
        fields: field -> what `vocabulary.FieldSpec` takes.
        streams: name -> {key, groups}; the sequence column as key is the own sequence's earlier events; null: none.
        split: from the source's frame to the split of every event.
        min_sequences: training sequences that must have a value, or it is UNK.
        id_category_size: V of an id field at most; the rest is OTHER.
        src_seq_len: L, the latest past events of a group.
        tgt_seq_len: T, the own events that the decoder reads.
        context_at: where sources end: `window`, at its first input event, or `event`, at every one.
        steps_per_epoch: batches of an epoch, which goes on where the last one ended; null: one pass over the windows.
        num_workers: capped at the machine's cores.

    Raises:
        DataError, ConfigError: for what cannot be read, naming file, row, column or key.
    """

    def __init__(
        self,
        source: Source,
        sequence: str,
        time: str,
        time_format: str | None,
        order_by: Sequence[str],
        fields: Mapping[str, Mapping],
        streams: Mapping[str, Mapping | None],
        split: Callable,
        min_sequences: int,
        id_category_size: int,
        src_seq_len: int,
        tgt_seq_len: int,
        context_at: str,
        batch_size: int,
        steps_per_epoch: int | None,
        num_workers: int,
        seed: int,
    ):
        super().__init__()
        if context_at not in ("window", "event"):
            raise ConfigError(f"{context_at!r} is neither window nor event", where="datamodule.context_at")
        self.source, self.split, self.context_at, self.seed = source, split, context_at, seed
        if not isinstance(fields, Mapping) or not isinstance(streams, Mapping):
            raise ConfigError("fields and streams map names to settings", where="datamodule", remedy="As {name: {}}.")
        self.fields = {name: dict(settings or {}) for name, settings in fields.items()}
        self.reading = {
            "sequence": sequence,
            "time": time,
            "order_by": list(order_by),
            "time_format": time_format,
            "min_sequences": min_sequences,
            "id_category_size": id_category_size,
        }
        self.streams = tuple(
            _read_stream(name, settings, sequence) for name, settings in streams.items() if settings is not None
        )
        self.src_seq_len, self.tgt_seq_len = src_seq_len, tgt_seq_len
        self.batch_size, self.num_workers = batch_size, min(num_workers, os.cpu_count() or 1)
        self.steps_per_epoch = steps_per_epoch

    @property
    def name(self) -> str:
        return self.source.name

    def prepare_data(self) -> None:
        """Generates the events of an embedded data set where they are not there yet."""
        self.source.prepare()

    @cached_property
    def table(self) -> EventTable:
        source = self.source
        self.prepare_data()
        fixed = {name: {"values": list(names)} for name, names in source.values.items() if name in self.fields}
        spec = TableSpec(fields={name: {**s, **fixed.get(name, {})} for name, s in self.fields.items()}, **self.reading)
        frame = source.frame(list(dict.fromkeys([*spec.columns, *self.split.columns])))
        checksum = fingerprint.of_json([source.fingerprint, repr(spec), repr(self.split)])
        table = build_table(frame, spec, self.split, source.name, checksum, source.facts)
        if all(field.cardinality == 1 for field in table.fields if field.role == "dynamic"):
            raise DataError(
                "every value of every predicted field is unknown",
                where=source.name,
                remedy="Less than datamodule.min_sequences training sequences have any of them.",
            )
        return table

    @cached_property
    def windows(self) -> EventWindows:
        return EventWindows(self.table, self.streams, self.src_seq_len, self.context_at)

    @cached_property
    def schema(self) -> EventSchema:
        """What the model must know of the data."""
        table, gaps = self.table, self.windows.log_gap
        train = table.targets("train")
        field = next((i for i, f in enumerate(table.fields) if f.kind == "gap" and f.role == "dynamic"), None)
        typical = np.array([gaps[train].mean() if len(train) else 0.0])
        if field is not None:
            size, values = table.fields[field].size, table.values[train, field]
            counts = np.bincount(values, minlength=size)
            sums = np.bincount(values, gaps[train], minlength=size)
            typical = np.where(counts > 0, sums / np.maximum(counts, 1), typical)
        return EventSchema(
            fields=table.fields,
            streams=self.streams,
            src_seq_len=self.src_seq_len,
            tgt_seq_len=self.tgt_seq_len,
            context_at=self.context_at,
            gap_field=None if field is None else table.fields[field].name,
            typical_gaps=tuple(float(gap) for gap in typical),
        )

    def findings(self) -> list[Finding]:
        """What may be wrong with these events under this split."""
        return check_events(self.table, getattr(self.split, "whole_sequences", False))

    def _loader(self, split: str, sampler: WindowSampler | None = None) -> DataLoader:
        dataset = WindowRows(self.windows, split, self.tgt_seq_len, self.seed)
        return batch_loader(dataset, self.batch_size, self.num_workers, sampler)

    def train_dataloader(self) -> DataLoader:
        draws = None if self.steps_per_epoch is None else self.steps_per_epoch * self.batch_size
        return self._loader("train", WindowSampler(self.table, self.tgt_seq_len, self.seed, draws))

    def val_dataloader(self) -> DataLoader:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader:
        return self._loader("test")
