"""A first YAML for an event log that nobody has described yet: guessed from its first rows, for a person to mend.

Guesses are by plain rules, each said in a comment beside what it decided.
"""

import math
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import yaml

from datamodules.events.parts import CSV, XES, find_parts, format_of, opened
from datamodules.events.reading import UNREADABLE, on_one_line
from datamodules.events.xes import CASE, TIME, read_xes
from schemas.errors import DataError

ROWS = 100_000
"""Rows that are looked at."""
MANY = 100
"""Values from which a field is an id, whose rarest become one."""
UNIQUE = 0.9
"""Share of rows with a value of their own from which a column names the row and tells nothing."""
IS_TIME = 0.99
"""Share of the cells that must be moments."""
MEMBERS = 2.0
"""Events of a sequence on average, at least."""
SEQUENCE_NAMES = r"(?i)(^|[^a-z])(case|sequence|session|trace|ticket|patient|customer|user|account|employee|order)"
TIME_NAMES = r"(?i)time|date|moment|stamp|opened|start"
SPLITS = {"train", "val", "test"}
OF_TIME = {
    "gap": "{kind: gap, edges: [0, 60, 3600, 86400, 604800]} # seconds since the sequence's last event",
    "weekday": "{kind: weekday}",
    "hour": "{kind: hour}",
}
"""Fields that every log has, made from its column of moments; beside a column of that name they are `gap_2` ..."""


@dataclass(frozen=True)
class Draft:
    """What the columns of a log seem to be."""

    source: str
    sequence: str
    time: str
    split: str
    """An option of `datamodule/split`."""
    fields: dict[str, str]
    """Name -> its settings as YAML in one line."""
    streams: dict[str, str]
    left_out: dict[str, str]
    """Column -> why."""
    rows: int
    whole: bool
    """Whether all rows of the source were looked at."""

    def yaml(self) -> str:
        """The text of a file for `conf/datamodule/`."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        seen = f"{'all' if self.whole else 'the first'} {self.rows:,} rows"
        yield f"# Drafted from {seen} of {Path(self.source).name}. Every line is a guess: read it before you train."
        yield "# Save as conf/datamodule/mine.yaml, then: python train.py model=event_predictor datamodule=mine"
        yield from ("defaults:", "  - _events", f"  - split: {self.split}", "  - _self_")
        yield from ("source:", "  _target_: datamodules.events.sources.FileSource", f"  path: {_quoted(self.source)}")
        yield f"sequence: {_quoted(self.sequence)}"
        yield f"time: {_quoted(self.time)}"
        yield "fields:"
        yield from (f"  {_quoted(name)}: {settings}" for name, settings in self.fields.items())
        if self.streams:
            yield "streams: # the latest events of the same ..., whichever sequence they belong to"
            yield from (f"  {_quoted(name)}: {settings}" for name, settings in self.streams.items())
        yield from (f"# left out: {column!r}, {why}" for column, why in self.left_out.items())


def draft(source: str | Path) -> Draft:
    """Guesses sequence, time, fields and streams of a CSV, Parquet or XES log.

    Raises:
        DataError: where it is no table, or no column could be the sequence or the time.
    """
    frame, whole = _first_rows(source)
    left_out = {column: "it has one value" for column in frame if frame[column].nunique(dropna=False) < 2}
    columns = [column for column in frame if column not in left_out]
    moments = [column for column in columns if _is_time(frame[column])]
    if not moments:
        what = f"none of its columns holds moments in time ({', '.join(map(str, frame))})"
        raise DataError(what, where=source, remedy="Events need a time: a date, or a date with a time of day.")
    time = max(moments, key=lambda c: (c == TIME, bool(re.search(TIME_NAMES, str(c))), frame[c].nunique()))
    left_out |= {column: "another moment in time" for column in moments if column != time}
    rest = [column for column in columns if column not in moments]
    split = "column" if "split" in rest and set(frame["split"].dropna()) <= SPLITS else "sequence_hash"
    rest = [column for column in rest if split != "column" or column != "split"]
    sequence = _sequence(frame, rest, source)
    fields, streams = {}, {}
    for column in (c for c in rest if c != sequence):
        if why := _no_category(frame[column]):
            left_out[column] = why
            continue
        name = _unique(_name(column), fields)
        fields[name], is_id = _settings(frame, column, name, sequence)
        if is_id:
            streams[name] = f"{{key: {_quoted(name)}}}"
    for name, settings in OF_TIME.items():
        fields[_unique(name, fields)] = settings
    return Draft(
        source=str(source),
        sequence=str(sequence),
        time=str(time),
        split=split,
        fields=fields,
        streams=streams,
        left_out={str(column): why for column, why in left_out.items()},
        rows=len(frame),
        whole=whole,
    )


def _first_rows(source: str | Path) -> tuple[pd.DataFrame, bool]:
    """The first rows of the first part, and whether that is all there is."""
    parts = find_parts(source)
    try:
        if format_of(parts[0]) == CSV:
            with opened(parts[0]) as file:
                frame = pd.read_csv(file, nrows=ROWS + 1, dtype=str, keep_default_na=False, na_values=[""])
        elif format_of(parts[0]) == XES:
            with opened(parts[0]) as file:
                frame = read_xes(file, parts[0], least=ROWS + 1).table.to_pandas()
        else:
            table = pa.parquet.ParquetFile(parts[0])
            nested = [f.name for f in table.schema_arrow if pa.types.is_nested(f.type)]
            columns = [name for name in table.schema_arrow.names if name not in nested]
            batch = next(table.iter_batches(ROWS + 1, columns=columns), None)
            if batch is not None:
                batch.validate(full=True)
            frame = pd.DataFrame(columns=columns) if batch is None else batch.replace_schema_metadata(None).to_pandas()
    except UNREADABLE as error:
        what = f"it cannot be read as a table ({on_one_line(error)})"
        raise DataError(what, where=parts[0], remedy="Is it a CSV or Parquet file, in UTF-8?") from error
    if frame.empty:
        raise DataError("it has no rows", where=parts[0], remedy="Is this the right file?")
    return frame.iloc[:ROWS], len(frame) <= ROWS and len(parts) == 1


def _is_time(column: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(column):
        return True
    text = column.dropna()
    # A bare number is no date, though pandas would read one as nanoseconds or as a year.
    if not len(text) or not all(isinstance(cell, str) and re.search(r"\d[-/.:T]\d", cell) for cell in text):
        return False
    return bool(pd.to_datetime(text, errors="coerce", format="mixed", utc=True).notna().mean() >= IS_TIME)


def _sequence(frame: pd.DataFrame, columns: list, source: str | Path) -> object:
    """By its name, else the column of most values that still have several events each."""
    sizes = {column: frame[column].nunique() for column in columns}
    several = [c for c in columns if sizes[c] > 1 and frame[c].count() / sizes[c] >= MEMBERS]
    if not several:
        what = "no column tells sequences apart: none has values that return"
        raise DataError(what, where=source, remedy="Events of one sequence share a value: a case, a user, a machine.")
    named = [column for column in several if re.search(SEQUENCE_NAMES, str(column))]
    return max(named or several, key=lambda column: (column == CASE, sizes[column]))


def _no_category(column: pd.Series) -> str | None:
    """Why a column can be no field; None where it can."""
    values = column.dropna()
    if values.nunique() > max(UNIQUE * len(values), MANY):
        return "nearly every row has a value of its own"
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.notna().all() and values.nunique() > MANY and (numbers % 1 != 0).any():
        return "a measured number: put it into bins first"
    return None


def _settings(frame: pd.DataFrame, column: object, name: str, sequence: object) -> tuple[str, bool]:
    """A field's settings as YAML in one line, and whether it is an id."""
    settings = [] if name == column else [f"column: {_quoted(str(column))}"]
    steady = frame.groupby(sequence)[column].nunique(dropna=False).le(1).mean() >= IS_TIME
    settings += ["role: static"] if steady else []
    count = frame[column].nunique()
    settings += ["kind: id"] if count > MANY else []
    why = ", the same throughout a sequence: context, never predicted" if steady else ""
    return f"{{{', '.join(settings)}}} # {count:,} values{why}", count > MANY


def _name(column: object) -> str:
    """A column's name as a key."""
    name = re.sub(r"\W+", "_", str(column)).strip("_").lower() or "column"
    return name if not name[0].isdigit() else f"_{name}"


def _unique(name: str, taken: Container[str]) -> str:
    """`name`, or with the first number from 2 that is free: `Status A` and `status_a` are two columns."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _quoted(text: str) -> str:
    """As YAML that gives the text back: `no`, `on` and `null` would be read as something else."""
    if re.fullmatch(r"[A-Za-z_][\w/-]*(\.[\w/-]+)*", text) and yaml.safe_load(text) == text:
        return text
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf).strip()
