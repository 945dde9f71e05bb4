"""CSV tables beside the clips: read whole and checked, so that an error names the line and the column."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.errors import DataError


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    cells: dict[str, str]
    """Column -> text, without the blanks around it."""
    where: str
    """How an error names this line."""


def read_table(content: bytes, where: str, needed: Sequence[str], remedy: str) -> list[Row]:
    """The rows of a CSV file with a line of column names, in the file's order; blank lines are skipped.

    Args:
        where: how an error names the file.
        needed: columns that must be there and may not be empty.

    Raises:
        DataError: where it is not UTF-8 text with commas, has no row, or lacks a needed cell.
    """
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        numbered = [(lines.line_num, [cell.strip() for cell in line]) for line in lines if any(map(str.strip, line))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"it is not a CSV file in UTF-8 ({error})", where=where, remedy=remedy) from error
    columns = numbered[0][1] if numbered else []
    if len(set(columns)) != len(columns) or not {*needed} <= {*columns}:
        what = f"its columns are {columns}; needed, each once, are {', '.join(needed)}"
        raise DataError(what, where=where, remedy=remedy)
    if len(numbered) < 2:
        raise DataError("it has no row below the column names", where=where, remedy=remedy)
    return [_row(columns, number, cells, where, needed, remedy) for number, cells in numbered[1:]]


def _row(columns: list[str], number: int, cells: list[str], where: str, needed: Sequence[str], remedy: str) -> Row:
    row = Row(dict(zip(columns, cells, strict=False)), f"{where}, line {number}")
    if len(cells) != len(columns):
        raise DataError(f"it has {len(cells)} cells for {len(columns)} columns", where=row.where, remedy=remedy)
    if empty := [column for column in needed if not row.cells[column]]:
        raise DataError(f"it has no {' and no '.join(empty)}", where=row.where, remedy=remedy)
    return row


def class_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Distinct labels as class names: by value where all are whole numbers, else as text."""
    names = set(labels)
    if all(name.isascii() and name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))
