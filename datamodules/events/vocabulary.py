"""A frame of raw cells to an EventTable, as a short description says.

Vocabularies are fitted on events whose own split is train. Their values stand in order of name (numbers in numeric
order; weekdays, bins and ordered categoricals in their own), then `(missing)`, then `(other)`.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields

import numpy as np
import pandas as pd

from datamodules.events import moments
from datamodules.events.coding import CodedColumn, Vocabulary, code_column, fit_vocabulary, fixed_vocabulary, name_codes
from datamodules.events.ordering import order_rows, read_moments
from datamodules.events.reading import check_columns
from datamodules.events.remarks import Remarks, check_split, remark_repeats, remark_values
from datamodules.events.table import EventTable
from schemas.errors import ConfigError, DataError
from schemas.events import TIME_KINDS, EventField

CATEGORY_LIMIT = 100_000
"""Values of a category; what has more is an id, or no field."""


@dataclass(frozen=True)
class FieldSpec:
    """How one field comes out of the source."""

    name: str
    column: str | None = None
    """Where it is read, by default the column of its own name; of a kind derived from time, by default the time."""
    kind: str = "category"
    role: str = "dynamic"
    known_at: str | None = None
    """A column of moments at which other sequences learn the value; never, where it is empty."""
    values: Sequence[str] | None = None
    """A fixed vocabulary in this order; None fits one."""
    edges: Sequence[float] | None = None
    """Seconds, of a gap's bins; the first is 0, the last bin has no end."""

    def __post_init__(self):
        EventField(self.name, (), self.kind, self.role)
        if (self.kind == "gap") != (self.edges is not None):
            raise self._error("edges belong to the kind gap, and every gap needs them", "edges", "Seconds: [0, 60].")
        if self.kind == "gap" and self.column is not None:
            raise self._error("a gap is the time since the previous event, of no column", "column", "Remove it.")
        if self.edges is not None:
            object.__setattr__(self, "edges", tuple(float(edge) for edge in self.edges))
            if self.edges[:1] != (0,) or not (np.diff(self.edges) > 0).all():
                raise self._error(f"{list(self.edges)} are not seconds that rise from 0", "edges", "As [0, 60, 3600].")
        if self.values is not None:
            wrong = [value for value in self.values if value is None or isinstance(value, bool)]
            object.__setattr__(self, "values", tuple(str(value) for value in self.values))
            if wrong or len(self.values) != len(set(self.values)) or not self.values:
                what = f"{list(self.values)} is not a list of different texts"
                raise self._error(what, "values", "YAML reads a bare yes, no or null as no text: quote it.")

    def _error(self, what: str, key: str, remedy: str) -> ConfigError:
        return ConfigError(what, where=f"datamodule.fields.{self.name}.{key}", remedy=remedy)

    @classmethod
    def read(cls, name: str, settings: "Mapping | FieldSpec | None") -> "FieldSpec":
        """From a config's mapping; raises ConfigError for a key that there is not."""
        if isinstance(settings, FieldSpec):
            return settings
        keys = [field.name for field in dataclass_fields(cls) if field.name != "name"]
        for key in settings or {}:
            if key not in keys:
                close = difflib.get_close_matches(key, keys, n=1)
                remedy = f"Do you mean {close[0]}?" if close else f"Keys: {', '.join(keys)}."
                raise ConfigError("there is no such key", where=f"datamodule.fields.{name}.{key}", remedy=remedy)
        return cls(name, **(settings or {}))

    @property
    def source(self) -> str | None:
        """The column that it is read from; None for what derives from the table's own time."""
        return self.column if self.column or self.kind in TIME_KINDS else self.name


@dataclass(frozen=True)
class TableSpec:
    """How a source is read as event sequences."""

    sequence: str
    """The column that tells the sequences apart."""
    time: str
    fields: Mapping[str, Mapping]
    """Field -> what FieldSpec takes; holds FieldSpecs once it is made."""
    order_by: Sequence[str] = ()
    """Columns that break ties in time."""
    time_format: str | None = None
    """As in strptime, or s, ms, us or ns for numbers since 1970; None is ISO 8601."""
    min_sequences: int = 2
    """Training sequences that must have a value, or it is UNK."""
    id_category_size: int = 100
    """V of an id field at most: UNK, the most frequent values, and OTHER where there are more."""

    def __post_init__(self):
        fields = {name: FieldSpec.read(name, settings) for name, settings in self.fields.items()}
        object.__setattr__(self, "fields", fields)
        object.__setattr__(self, "order_by", tuple(self.order_by))
        if not any(field.role == "dynamic" for field in fields.values()):
            raise ConfigError("no field is dynamic", where="datamodule.fields", remedy="Name one to predict.")
        for key, least in (("min_sequences", 1), ("id_category_size", 3)):
            if getattr(self, key) < least:
                what = f"{getattr(self, key)} is too few"
                raise ConfigError(what, where=f"datamodule.{key}", remedy=f"At least {least}.")

    @property
    def columns(self) -> tuple[str, ...]:
        """What is read of the source."""
        own = [column for field in self.fields.values() for column in (field.source, field.known_at)]
        return tuple(c for c in dict.fromkeys([self.sequence, self.time, *self.order_by, *own]) if c is not None)


def build_table(
    frame: pd.DataFrame,
    spec: TableSpec,
    split: Callable[[pd.DataFrame], np.ndarray],
    where: object,
    fingerprint: str,
    facts: Mapping[str, object] | None = None,
) -> EventTable:
    """Sorts, splits and codes all events.

    Args:
        frame: the columns `spec.columns` and `split.columns`, a row an event, in any order.
        split: from a frame of its own columns, `sequence` (text) and `time` (datetimes) to [N] int8.
        where: what messages call the source.
        fingerprint: checksum of the source and the description.
        facts: what the source knows of itself.

    Returns:
        Events sorted by (sequence, time, order_by, row in the source). `notes` hold what a person should know; what may
        be a mistake is a UserWarning as well.

    Raises:
        DataError: for a column, a row or a value that cannot be used, naming it.
    """
    check_columns(frame.columns, [*spec.columns, *split.columns], where)
    remarks = Remarks(where)
    frame, keys, time = order_rows(frame, spec.sequence, spec.time, spec.time_format, spec.order_by, remarks)
    first = np.diff(keys.codes, prepend=-1) > 0
    remark_repeats(frame[list(spec.columns)], first, time, remarks)
    splits = split(
        frame[list(split.columns)].assign(sequence=keys.names[keys.codes], time=time.astype("datetime64[us]"))
    )
    check_split(splits, first, remarks)

    fields, values, known_at = [], np.empty((len(time), len(spec.fields)), dtype=np.int32), {}
    for number, field in enumerate(spec.fields.values()):
        column = _column(frame, field, spec, time, first, where)
        vocabulary = _vocabulary(column, field, spec, keys.codes, splits == 0, where)
        values[:, number] = vocabulary.numbers[column.codes]
        remark_values(field.name, values[:, number], vocabulary.names, splits, remarks)
        if field.known_at is not None:
            known_at[number] = read_moments(frame, field.known_at, spec.time_format, where)
        fields.append(EventField(field.name, vocabulary.names, field.kind, field.role, field.known_at is not None))
    return EventTable(
        fields=tuple(fields),
        values=values,
        time=time,
        sequence=keys.codes.astype(np.int32),
        starts=np.append(np.flatnonzero(first), len(time)),
        split=splits,
        known_at=known_at,
        sequence_names=keys.names.to_numpy(dtype=object),
        fingerprint=fingerprint,
        notes=tuple(remarks.notes),
        facts=facts or {},
    )


def _column(
    frame: pd.DataFrame, field: FieldSpec, spec: TableSpec, time: np.ndarray, first: np.ndarray, where: object
) -> CodedColumn:
    if field.kind == "gap":
        return name_codes(moments.gap_bins(time, first, field.edges), moments.gap_names(field.edges), ordered=True)
    if field.kind in moments.NAMES:
        when = time if field.source is None else read_moments(frame, field.source, spec.time_format, where)
        return name_codes(moments.derive(field.kind, when), moments.NAMES[field.kind], ordered=True)
    return code_column(frame[field.source])


def _vocabulary(
    column: CodedColumn, field: FieldSpec, spec: TableSpec, sequence: np.ndarray, train: np.ndarray, where: object
) -> Vocabulary:
    if field.values is not None:
        return fixed_vocabulary(column, field.values)
    cap = spec.id_category_size if field.kind == "id" else None
    vocabulary = fit_vocabulary(column, sequence, train, spec.min_sequences, cap)
    if field.kind == "category" and len(vocabulary.names) > CATEGORY_LIMIT:
        raise DataError(
            f"it has {len(vocabulary.names):,} values, a category may have {CATEGORY_LIMIT:,}",
            where=f"{where}, column {field.source!r}",
            remedy=f"Make {field.name} `kind: id`, which keeps the id_category_size ({spec.id_category_size:,}) most "
            "frequent values.",
        )
    return vocabulary
