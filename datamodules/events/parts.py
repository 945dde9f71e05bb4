"""The files that a source is made of, and where in them a row stands: what an error needs to name."""

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from datamodules.events import xes
from schemas.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

CSV, PARQUET, XES = "CSV", "Parquet", "XES"
FORMATS = {".csv": CSV, ".csv.gz": CSV, ".zip": CSV, ".parquet": PARQUET, ".pq": PARQUET, ".xes": XES, ".xes.gz": XES}
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)
"""What reading a truncated, encrypted or otherwise unreadable file raises."""
_ENDINGS = ", ".join(FORMATS)


@dataclass(frozen=True)
class Part:
    """A file of which a frame holds the rows."""

    path: Path
    rows: int
    encoding: str

    def line(self, row: int) -> int:
        """What an editor calls row number `row` (from 0)."""
        if format_of(self.path) == CSV:
            return line_of(self.path, row + 1, self.encoding)
        if format_of(self.path) == XES:
            with opened(self.path) as file:
                return xes.line_of_event(file, self.path, row)
        return row + 1


def format_of(path: Path) -> str | None:
    """CSV, Parquet or XES by the file's name; None for anything else."""
    return next((kind for ending, kind in FORMATS.items() if path.name.lower().endswith(ending)), None)


def find_parts(source: str | Path) -> list[Path]:
    """The file itself, or the tables of a folder in name order (hidden and other files are left alone).

    Raises:
        DataError: where nothing is there, nothing is a table, or a folder mixes formats.
    """
    source = Path(source).expanduser()
    if not source.exists():
        raise DataError("there is no such file or folder", where=source, remedy="Correct the path.")
    if source.is_file():
        if format_of(source) is None:
            raise DataError("it is no table that can be read", where=source, remedy=f"Files may end in {_ENDINGS}.")
        return [source]
    parts = sorted(p for p in source.iterdir() if p.is_file() and p.name[0] not in "._" and format_of(p))
    if not parts:
        raise DataError("the folder holds no table", where=source, remedy=f"Its files may end in {_ENDINGS}.")
    if len({format_of(part) for part in parts}) > 1:
        other = next(part for part in parts if format_of(part) != format_of(parts[0]))
        raise DataError(
            f"{parts[0].name} is {format_of(parts[0])} and {other.name} is {format_of(other)}",
            where=source,
            remedy="Keep the parts of one format in a folder of their own.",
        )
    return parts


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a CSV or XES, unpacked; raises DataError for a damaged file or a zip that holds not exactly one."""
    name = path.name.lower()
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                members = [m for m in archive.namelist() if not m.endswith("/") and not m.startswith("__MACOSX")]
                if len(members) != 1:
                    what = f"it holds {len(members)} files, it must hold one CSV"
                    raise DataError(what, where=path, remedy="Unpack it into a folder and name that.")
                with archive.open(members[0]) as file:
                    yield file
        else:
            with gzip.open(path) if name.endswith(".gz") else path.open("rb") as file:
                yield file
    except DAMAGE as error:
        what = f"it cannot be read: it is damaged or incomplete ({error})"
        raise DataError(what, where=path, remedy="Restore it from a sound copy.") from error


def place(frame: "pd.DataFrame", row: int, where: object) -> str:
    """How an error names row number `row` (from 0) of a frame that `read_source` gave: the file, and the row in it.

    Rows of a CSV count as lines in an editor: the header is row 1, blank lines and line breaks in cells count. An event
    of XES has the line at which it begins.
    Parquet has no header: its first row is row 1. A frame from elsewhere has `where` in place of a file.
    """
    for part in frame.attrs.get("parts", ()):
        if row < part.rows:
            return f"{part.path}, row {part.line(row)}"
        row -= part.rows
    return f"{where}, row {row + 1}"


def line_of(path: Path, record: int, encoding: str) -> int:
    """The line, from 1, at which a CSV's record number `record` begins; record 0 is the header."""
    with opened(path) as file:
        reader = csv.reader(io.TextIOWrapper(file, encoding, errors="replace", newline=""))
        begun, last = -1, 0
        try:
            for cells in reader:
                begun += bool(cells)
                if begun == record:
                    return last + 1
                last = reader.line_num
        except csv.Error:  # a cell beyond what this reader takes
            pass
    return record + 1


def undecodable(path: Path, encoding: str) -> tuple[int, str] | None:
    """The first line, from 1, that is not in the encoding, and its first byte that is not; None where all are."""
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return number, f"0x{line[error.start]:02x}"
    return None
