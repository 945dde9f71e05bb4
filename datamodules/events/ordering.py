"""Rows of a source in the order of a table: by sequence, time, tie-breaking columns, place in the source."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from datamodules.events.coding import CodedColumn, code_column
from datamodules.events.moments import parse_moments
from datamodules.events.parts import place
from datamodules.events.remarks import Remarks
from schemas.errors import DataError


def order_rows(
    frame: pd.DataFrame,
    sequence: str,
    time: str,
    time_format: str | None,
    order_by: Sequence[str],
    remarks: Remarks,
) -> tuple[pd.DataFrame, CodedColumn, np.ndarray]:
    """Sorts the rows that have a sequence; the others are left out and counted in a remark.

    Returns:
        The rows; their sequences, numbered in order of name; [N] int64 microseconds.

    Raises:
        DataError: where no row is left, or a time is empty or unreadable.
    """
    if len(frame) == 0:
        raise DataError("it has no rows", where=remarks.where, remedy="Is this the right source?")
    frame = frame.reset_index(drop=True)
    keys = code_column(frame[sequence])
    codes, names, keyless = keys.codes, keys.names, keys.missing
    if keyless.any():
        if keyless.all():
            what = f"no row has a {sequence}"
            raise DataError(what, where=remarks.where, remedy="Name the column that tells the sequences apart.")
        remarks.note(f"{keyless.sum():,} of {len(frame):,} rows have no {sequence} and are left out")
        frame, codes, names = frame[~keyless], codes[~keyless], names[:-1]
    moments = read_moments(frame, time, time_format, remarks.where, may_be_empty=False)
    by_name = np.asarray(names.argsort())
    rank = np.empty(len(by_name), dtype=np.int64)
    rank[by_name] = np.arange(len(by_name))
    codes = rank[codes]

    as_read = np.argsort(codes, kind="stable")
    if late := int(((np.diff(moments[as_read]) < 0) & (np.diff(codes[as_read]) == 0)).sum()):
        remarks.note(f"{late:,} rows stood after a later event of their sequence: sorted by {time}")
    ties = [_sortable(frame[column]) for column in reversed(order_by)]
    order = np.lexsort((*ties, moments, codes))
    return frame.iloc[order], CodedColumn(codes[order], names[by_name], ordered=True), moments[order]


def read_moments(
    frame: pd.DataFrame, column: str, time_format: str | None, where: object, may_be_empty: bool = True
) -> np.ndarray:
    """[N] int64 microseconds of a column, NEVER where a cell is empty; raises DataError for the first bad row."""
    moments, missing, unreadable = parse_moments(frame[column], time_format)
    if unreadable.any():
        row = frame.index[unreadable].min()
        form = "as ISO 8601" if time_format is None else f"in the format {time_format!r}"
        raise DataError(
            f"{column} is {str(frame[column].loc[row])!r}, which is no moment {form} "
            f"({unreadable.sum():,} of {len(frame):,} rows)",
            where=place(frame, row, where),
            remedy='Say how it is written with time_format ("%d/%m/%Y %H:%M" for instance, or s, ms, us or ns for '
            "numbers since 1970), or mend these rows.",
        )
    if missing.any() and not may_be_empty:
        row = frame.index[missing].min()
        raise DataError(
            f"{column} is empty ({missing.sum():,} of {len(frame):,} rows)",
            where=place(frame, row, where),
            remedy="An event needs a moment: fill it in, or remove these rows.",
        )
    return moments


def _sortable(column: pd.Series) -> np.ndarray:
    """[N] what a column sorts by: numbers where all cells are, else its values in order; empty cells last."""
    if not isinstance(column.dtype, pd.CategoricalDtype) and column.dtype.kind != "M":
        numbers = pd.to_numeric(column, errors="coerce")
        if (numbers.isna() == column.isna()).all():
            column = numbers
    codes, names = pd.factorize(column, sort=True)
    return np.where(codes < 0, len(names), codes)
