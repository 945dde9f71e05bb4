"""CSV, Parquet and XES, one file or a folder of parts, to a frame of the columns that are needed."""

import codecs
import csv
import difflib
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from datamodules.events.parts import CSV, XES, Part, find_parts, format_of, line_of, opened, undecodable
from datamodules.events.xes import read_xes
from schemas.errors import ConfigError, DataError

_BLOCK = 16 * 2**20
"""Bytes that are parsed at a time: no row may be longer."""
_INTEGERS = {
    getattr(pa, name.lower())(): getattr(pd, f"{name}Dtype")()
    for name in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
}
"""Kept as integers where some are missing: a float would merge neighbouring ids above 2^53."""
UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError)
"""What Arrow raises for a Parquet file that is damaged."""


def read_source(source: str | Path, columns: Sequence[str], encoding: str | None = None) -> pd.DataFrame:
    """Reads some columns of a table.

    Args:
        source: .csv, .csv.gz, .zip of one CSV, .parquet, .xes, .xes.gz; or a folder of parts, read in name order.
        columns: those to read.
        encoding: of a CSV; None is UTF-8, with or without a byte order mark. XES says its own.

    Returns:
        One row a record, in the order of the source. Cells of CSV and XES are text, an empty one is missing ("NA" is
        text); Parquet's own types stay. `attrs["parts"]` says which file has which rows (`parts.place`).

    Raises:
        DataError: for a file, a column, a row or a byte that cannot be read, naming it.
        ConfigError: for an encoding that does not exist.
    """
    columns, paths = list(dict.fromkeys(columns)), find_parts(source)
    encoding = _codec(encoding or "utf-8")
    read = _read_logs if format_of(paths[0]) == XES else _read_tables
    frames = read(paths, columns, encoding)
    frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    if len(frame) == 0:
        raise DataError("it has a header and no rows", where=source, remedy="Is this the right file?")
    frame.attrs["parts"] = tuple(Part(p, len(f), encoding) for p, f in zip(paths, frames, strict=True))
    return frame


def _read_tables(paths: list[Path], columns: list[str], encoding: str) -> list[pd.DataFrame]:
    headers = [_header(path, encoding) for path in paths]
    for path, header in zip(paths, headers, strict=True):
        _check_alike(path, header, paths[0], headers[0])
        check_columns(header, columns, path)
    read = _read_csv if format_of(paths[0]) == CSV else _read_parquet
    return [read(path, columns, encoding) for path in paths]


def _read_logs(paths: list[Path], columns: list[str], _: str) -> list[pd.DataFrame]:
    """XES: an attribute that some events or whole parts lack is empty there; one that all lack is a mistake."""
    present, frames = {}, []
    for path in paths:
        with opened(path) as file:
            log = read_xes(file, path, columns)
        present |= dict.fromkeys(log.columns)
        frames.append(log.table.to_pandas())
    where = paths[0] if len(paths) == 1 else paths[0].parent
    if not any(map(len, frames)):
        raise DataError("it holds no event", where=where, remedy="Is this the right file?")
    check_columns(present, columns, where)
    return frames


def check_columns(present: Iterable[str], wanted: Iterable[str], where: object) -> None:
    """Raises DataError for the first column that is wanted and not there, or there twice; names close matches."""
    present = list(present)
    for column in wanted:
        if present.count(column) > 1:
            remedy = "Give every column a name of its own."
            raise DataError(f"it has {present.count(column)} columns named {column!r}", where=where, remedy=remedy)
        if column not in present:
            lower = {name.lower(): name for name in present}
            close = [lower[name] for name in difflib.get_close_matches(column.lower(), lower, n=3)]
            remedy = f"Do you mean {' or '.join(map(repr, close))}? " if close else ""
            remedy += f"Its columns: {', '.join(present)}."
            raise DataError(f"it has no column {column!r}", where=where, remedy=remedy)


def _check_alike(path: Path, header: list[str], first: Path, expected: list[str]) -> None:
    """Parts of one table have the same columns, in any order."""
    for lacking, of, other in ((expected, header, first), (header, expected, path)):
        if column := next((name for name in lacking if name not in of), None):
            without = path if other is first else first
            raise DataError(
                f"it has no column {column!r}, and {other.name} beside it has one",
                where=without,
                remedy="Parts of one table have the same columns; move what belongs to another table elsewhere.",
            )


def _codec(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError as error:
        what = f"there is no encoding {encoding!r}"
        raise ConfigError(what, where="encoding", remedy="Use utf-8, latin-1, cp1252 or utf-16.") from error
    return "utf-8-sig" if name == "utf-8" else name


def _header(path: Path, encoding: str) -> list[str]:
    if format_of(path) != CSV:
        return _parquet(path).schema_arrow.names
    try:
        with opened(path) as file:
            rows = csv.reader(io.TextIOWrapper(file, encoding, newline=""))
            header = next((cells for cells in rows if cells), None)
    except UnicodeDecodeError as error:
        raise _not_in(path, encoding) from error
    except csv.Error as error:
        raise DataError(f"its header cannot be read ({error})", where=path, remedy="Is it a CSV?") from error
    if header is None:
        raise DataError("the file is empty", where=path, remedy="Is this the right file?")
    return header


def _read_csv(path: Path, columns: list[str], encoding: str) -> pd.DataFrame:
    codec = "utf8" if encoding == "utf-8-sig" else encoding  # as Arrow calls what it need not recode
    try:
        with opened(path) as file:
            table = pa.csv.read_csv(
                file,
                # one thread: only then do errors name the row
                pa.csv.ReadOptions(use_threads=False, block_size=_BLOCK, encoding=codec),
                pa.csv.ParseOptions(newlines_in_values=True),
                pa.csv.ConvertOptions(
                    include_columns=columns,
                    column_types=dict.fromkeys(columns, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
    except UnicodeDecodeError as error:
        raise _not_in(path, encoding) from error
    except pa.ArrowException as error:
        if "UTF8" in str(error) and undecodable(path, encoding):
            raise _not_in(path, encoding) from error
        record = re.search(r"Row #(\d+)", str(error))
        where = f"{path}, row {line_of(path, int(record[1]) - 1, encoding)}" if record else path
        remedy = "Every row needs as many cells as the header; a cell with a comma or a line break needs quotes."
        raise DataError(f"it is no well-formed CSV ({on_one_line(error)})", where=where, remedy=remedy) from error
    return table.to_pandas()


def on_one_line(error: Exception) -> str:
    """Arrow quotes whole rows, which may be long."""
    return f"{' '.join(str(error).split()):.200}"


def _not_in(path: Path, encoding: str) -> DataError:
    row, byte = undecodable(path, encoding) or (1, "at its start")
    name = encoding.removesuffix("-sig").upper()
    return DataError(
        f"byte {byte} is not {name}",
        where=f"{path}, row {row}",
        remedy="Save the file as UTF-8, or say what it is: `encoding: latin-1` for most older Western European files, "
        "`encoding: utf-16` for Excel's Unicode text. A file of mixed encodings has to be mended first.",
    )


def _parquet(path: Path) -> pa.parquet.ParquetFile:
    try:
        return pa.parquet.ParquetFile(path)
    except UNREADABLE as error:
        what = f"it is damaged, incomplete or no Parquet file ({on_one_line(error)})"
        raise DataError(what, where=path, remedy="Restore it from a sound copy.") from error


def _read_parquet(path: Path, columns: list[str], encoding: str) -> pd.DataFrame:
    file = _parquet(path)
    for column in columns:
        if pa.types.is_nested(kind := file.schema_arrow.field(column).type):
            what = f"column {column!r} holds {kind}, not one value a row"
            raise DataError(what, where=path, remedy="Unpack it into columns of its own, or leave it out.")
    try:
        # What pandas noted of its index is of no use here, and may be damaged by itself.
        table = file.read(columns=columns).replace_schema_metadata(None)
        table.validate(full=True)  # that text is UTF-8, which Arrow takes the file's word for
        return table.to_pandas(types_mapper=_INTEGERS.get, date_as_object=False)
    except UNREADABLE as error:
        what = f"it is damaged ({on_one_line(error)})"
        raise DataError(what, where=path, remedy="Restore it from a sound copy.") from error
