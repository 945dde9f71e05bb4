"""What a person should know of a table: collected as notes, and warned of where it may be a mistake."""

import warnings

import numpy as np
import pandas as pd

from datamodules.events.table import SPLITS
from schemas.errors import DataError
from schemas.events import OTHER, UNK


class Remarks:
    """Notes on one source, in the order in which they were found."""

    def __init__(self, where: object):
        self.where, self.notes = where, []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        """A note, and a UserWarning."""
        self.note(text)
        warnings.warn(f"{self.where}: {text}", UserWarning, stacklevel=4)


def remark_repeats(rows: pd.DataFrame, first: np.ndarray, time: np.ndarray, remarks: Remarks) -> None:
    """Rows that are equal in every column that is read are kept: logs hold true repeats.

    Args:
        rows: the columns, in the order of the table.
        first: [N] bool, the first event of each sequence.
        time: [N] int64; equal rows lie among those of a sequence that are equal in time.
    """
    tied = np.append(~first[1:] & (np.diff(time) == 0), False)
    tied[1:] |= tied[:-1]
    if repeats := int(rows[tied].duplicated().sum()):
        remarks.warn(
            f"{repeats:,} of {len(rows):,} rows repeat another in every column that is read; they are kept "
            "(remove them from the source if they are copies)"
        )


def check_split(split: np.ndarray, first: np.ndarray, remarks: Remarks) -> None:
    """Raises DataError where no event is for training; warns of splits in which there is nothing to predict.

    Args:
        split: [N] int8 as in EventTable.
        first: [N] bool, the first event of each sequence, which is predicted by nothing.
    """
    if not (split == 0).any():
        raise DataError(
            "no event is in the train split", where=remarks.where, remedy="Change datamodule.split, or its column."
        )
    if first.all():
        remarks.warn("no sequence has two events, so there is no next event to predict: is the sequence key right?")
        return
    for number, name in enumerate(SPLITS):
        if not ((split == number) & ~first).any():
            remarks.warn(f"the {name} split has no event with a predecessor: nothing can be predicted there")


def remark_values(name: str, values: np.ndarray, names: tuple[str, ...], split: np.ndarray, remarks: Remarks) -> None:
    """A line with the shares of unknown and capped values where there are any; a warning of a field that says nothing.

    Args:
        values: [N] the field's value numbers.
        names: of the values from 2 on.
    """
    unknown, capped = values == UNK, np.zeros(len(values), dtype=bool)
    if names and names[-1] == OTHER:
        capped = values == len(names) + 1
    if unknown.any() or capped.any():
        shares = []
        for number, split_name in enumerate(SPLITS):
            if (own := split == number).any():
                share = f"{split_name} {unknown[own].mean():.2%} unknown"
                shares.append(share + (f" and {capped[own].mean():.2%} {OTHER}" if capped.any() else ""))
        remarks.note(f"{name}: V = {len(names) + 1:,}; {', '.join(shares)}")
    train = values[split == 0]
    if (train == train[0]).all():
        only = "unknown" if train[0] == UNK else repr(names[train[0] - 2])
        remarks.warn(f"{name} is {only} in every training event: nothing can be learned from it")
