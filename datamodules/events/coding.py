"""Cells to integers: the distinct values of a column, and the vocabulary that training events give it.

Legend: N events, D distinct values of the column.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from schemas.events import MISSING, OTHER, UNK


@dataclass(frozen=True)
class CodedColumn:
    """A column by its distinct values."""

    codes: np.ndarray
    """[N] int64 into names."""
    names: pd.Index
    """[D] distinct values as text; MISSING is the last one where a cell is empty."""
    ordered: bool
    """Whether names stand in an order of their own (moments, bins, an ordered categorical)."""

    @property
    def missing(self) -> np.ndarray:
        """[N] bool, which cells are empty."""
        return self.codes == (len(self.names) - 1 if len(self.names) and self.names[-1] == MISSING else -1)


@dataclass(frozen=True)
class Vocabulary:
    """What a field's values are called, and the number of each distinct value of its column."""

    names: tuple[str, ...]
    """Of the values from 2 on."""
    numbers: np.ndarray
    """[D] int32; UNK for those that are not in it."""


def code_column(column: pd.Series) -> CodedColumn:
    """Whatever a column holds, as text: whole floats without their .0, an empty text as a missing one."""
    ordered = isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered
    if isinstance(column.dtype, pd.CategoricalDtype) and not ordered:
        column = column.astype(object)
    if column.dtype == object or pd.api.types.is_string_dtype(column.dtype):
        column = column.mask(column.isin(["", MISSING]))
    if ordered:
        codes, names = column.cat.codes.to_numpy().astype(np.int64), column.cat.categories
    else:
        codes, names = pd.factorize(column)
    if not _is_text(names):
        names = _as_text(names)
        again, names = pd.factorize(names)  # 1 and "1" in one column
        codes = np.append(again, -1)[codes]
    return name_codes(codes, names, ordered)


def name_codes(codes: np.ndarray, names: Sequence[str] | pd.Index, ordered: bool) -> CodedColumn:
    """A column of codes into `names`; -1, an empty cell, becomes the value MISSING."""
    names = pd.Index(names)
    missing = codes < 0
    if missing.any():
        codes, names = np.where(missing, len(names), codes), names.append(pd.Index([MISSING], dtype=names.dtype))
    return CodedColumn(codes.astype(np.int64), names, ordered)


def _is_text(values: pd.Index) -> bool:
    return pd.api.types.is_string_dtype(values.dtype) and pd.api.types.infer_dtype(values) in ("string", "empty")


def _as_text(values: pd.Index) -> pd.Index:
    if pd.api.types.is_float_dtype(values.dtype):
        return pd.Index([np.format_float_positional(value, trim="-") for value in values], dtype=object)
    return pd.Index([str(value) for value in values], dtype=object)


def fixed_vocabulary(column: CodedColumn, values: tuple[str, ...]) -> Vocabulary:
    """Exactly these values in this order."""
    position = pd.Index(values, dtype=object).get_indexer(column.names.astype(object))
    return Vocabulary(values, np.where(position < 0, UNK, position + 2).astype(np.int32))


def fit_vocabulary(
    column: CodedColumn, sequence: np.ndarray, train: np.ndarray, min_sequences: int, cap: int | None
) -> Vocabulary:
    """Fits on training events: known is a value that at least `min_sequences` sequences have there.

    Values stand in the column's own order, else by name (by number where all are numbers), MISSING after them, OTHER
    last. Which id values are kept is decided by their training events, ties by that same order.

    Args:
        sequence: [N] the sequence of every event.
        train: [N] bool, the training events.
        cap: V at most, of which UNK and OTHER are two; None for no cap.
    """
    codes, distinct = column.codes[train], len(column.names)
    pairs = np.sort(codes * (sequence.max() + 1) + sequence[train])
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    in_sequences = np.bincount(pairs // (sequence.max() + 1), minlength=distinct)
    known = np.flatnonzero(in_sequences >= min_sequences)
    known = known[_by_name(column.names[known], column.ordered)]
    numbers = np.full(distinct, UNK, dtype=np.int32)
    kept, other = known, ()
    if cap is not None and len(known) + 1 > cap:
        events = np.bincount(codes, minlength=distinct)[known]
        events[column.names[known] == OTHER] = -1  # a cell of that very text is one of the others
        kept = known[np.sort(np.argsort(-events, kind="stable")[: cap - 2])]
        other = (OTHER,)
        numbers[known] = len(kept) + 2
    numbers[kept] = np.arange(2, len(kept) + 2)
    return Vocabulary((*column.names[kept].tolist(), *other), numbers)


def _by_name(names: pd.Index, ordered: bool) -> np.ndarray:
    """Positions in the order of a vocabulary."""
    if ordered:
        return np.arange(len(names))
    numbers = pd.to_numeric(names.where(names != MISSING, None), errors="coerce").to_numpy(dtype=np.float64)
    missing = np.asarray(names == MISSING)
    text = np.empty(len(names), dtype=np.int64)
    text[names.argsort()] = np.arange(len(names))
    if np.isnan(numbers[~missing]).any():
        numbers = np.zeros(len(names))
    return np.lexsort((text, numbers, missing))
