"""Which clips and which events train, validate and test.

Event splits read a frame of the sorted events: their own `columns`, `sequence` (text) and `time` (UTC); they give
[N] int8, 0 train, 1 val, 2 test.
A split also says what it keeps apart, and the data checks hold it to that: a split of clips in `claims`, a split of
events in `whole_sequences` (no sequence has targets in two splits).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from datamodules.events.parts import place
from schemas.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd


class Splittable(Protocol):
    """What a split reads of a store."""

    labels: np.ndarray
    groups: dict[str, np.ndarray]

    def rows(self, split: str) -> np.ndarray: ...


@dataclass(frozen=True)
class OfficialSplit:
    """The split that the source itself gives; a validation set that it lacks is cut from its training clips."""

    validation_by: str | None
    """The group whose members are kept together (subject, signer); None draws a share of every class. A validation
    set of the source's own is taken as it is, and checked for it."""
    validation_share: float
    """The least share of the training clips to cut off."""
    seed: int
    """Decides which; not the run's seed, so that runs with other seeds stay comparable."""
    test_apart_by: str | None = None
    """The group of which train and test have no member in common, as the source says; None where it does not say."""

    @property
    def claims(self) -> dict[tuple[str, str], str]:
        """Two splits -> the group of which they have no member in common."""
        groups = {("train", "val"): self.validation_by, ("train", "test"): self.test_apart_by}
        return {pair: group for pair, group in groups.items() if group is not None}

    def __call__(self, store: Splittable) -> dict[str, np.ndarray]:
        """Rows of the store for train, val and test, sorted; raises DataError for a group that is not there."""
        for key in ("validation_by", "test_apart_by"):
            self._check_group(store, key)
        rows = {split: store.rows(split) for split in ("train", "val", "test")}
        if len(rows["val"]) == 0:
            chosen = self._by_class(store, rows["train"]) if self.validation_by is None else self._by_group(store, rows)
            rows["val"], rows["train"] = rows["train"][chosen], rows["train"][~chosen]
        for split in ("train", "val"):
            if len(rows[split]) == 0:
                raise DataError(
                    f"the {split} split has no clips",
                    where="datamodule.split",
                    remedy="Change validation_share, or validation_by, whose every group may be on one side.",
                )
        return rows

    def _by_class(self, store: Splittable, train: np.ndarray) -> np.ndarray:
        generator = np.random.default_rng(self.seed)
        chosen = np.zeros(len(train), dtype=bool)
        for label in np.unique(store.labels[train]):
            members = generator.permutation(np.flatnonzero(store.labels[train] == label))
            chosen[members[: int(np.ceil(len(members) * self.validation_share))]] = True
        return chosen

    def _check_group(self, store: Splittable, key: str) -> None:
        group = getattr(self, key)
        if group is not None and group not in store.groups:
            raise DataError(
                f"its clips have no group {group!r}",
                where=f"datamodule.split.{key}",
                remedy=f"Known groups: {', '.join(store.groups) or 'none; set it to null'}.",
            )

    def _by_group(self, store: Splittable, rows: dict[str, np.ndarray]) -> np.ndarray:
        group = store.groups[self.validation_by][rows["train"]]
        members = np.random.default_rng(self.seed).permutation(np.unique(group))
        chosen = np.zeros(len(group), dtype=bool)
        for member in members:
            if chosen.mean() >= self.validation_share:
                break
            chosen |= group == member
        return chosen


@dataclass(frozen=True)
class GroupFold:
    """One fold of a cross-validation: it tests, the next one validates (the first one after the last), the rest train.

    All clips of the store are dealt, whatever the source's own split says: each is tested in one fold and validates in
    one. Groups are dealt whole, the largest first, each into the fold that has the fewest clips so far; folds are
    numbered by the first name in each, so that leaving one group out takes them in the order of their names.
    """

    by: str | None
    """The group whose members are kept whole (subject, signer, camera). None deals single clips, every class evenly:
    the same person is then in all three splits."""
    folds: int | None
    """How many, 3 or more; None: as many as `by` has members, to leave one out."""
    fold: int
    """Which one tests, from 0."""
    seed: int
    """Decides between members of one size, or shuffles single clips; not the run's seed: all runs share the folds."""

    @property
    def claims(self) -> dict[tuple[str, str], str]:
        """Two splits -> the group of which they have no member in common."""
        pairs = (("train", "val"), ("train", "test"), ("val", "test"))
        return {} if self.by is None else dict.fromkeys(pairs, self.by)

    def __call__(self, store: Splittable) -> dict[str, np.ndarray]:
        """Rows of the store for train, val and test, sorted.

        Raises:
            DataError: for a group that is not there, or one that has too few members (or clips) for the folds.
            ConfigError: for fewer than 3 folds, a fold beyond the last, single clips without a number of folds.
        """
        dealt, folds = self._clips(store) if self.by is None else self._groups(store)
        if self.fold not in range(folds):
            what = f"there is no fold {self.fold}, the {folds} folds are numbered from 0"
            raise ConfigError(what, where="datamodule.split.fold", remedy=f"From 0 to {folds - 1}.")
        test, val = dealt == self.fold, dealt == (self.fold + 1) % folds
        return {"train": np.flatnonzero(~(test | val)), "val": np.flatnonzero(val), "test": np.flatnonzero(test)}

    def _groups(self, store: Splittable) -> tuple[np.ndarray, int]:
        """[N] the fold of every clip, and the number of folds."""
        if self.by not in store.groups:
            single = "null deals single clips into `folds`, people not kept apart"
            raise DataError(
                f"its clips have no group {self.by!r}",
                where="datamodule.split.by",
                remedy=f"Known groups: {', '.join(store.groups) or 'none'}; {single}.",
            )
        names, member, sizes = np.unique(store.groups[self.by], return_inverse=True, return_counts=True)
        folds = self._count(len(names), f"members of the group {self.by!r}")
        shuffled = np.random.default_rng(self.seed).permutation(len(names))
        fold_of, filled = np.empty(len(names), dtype=int), np.zeros(folds, dtype=int)
        for name in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
            fold_of[name] = filled.argmin()
            filled[fold_of[name]] += sizes[name]
        # No fold is empty, for there are no more folds than names: each has a first name, and its place among these.
        first = np.unique(fold_of, return_index=True)[1]
        return first.argsort().argsort()[fold_of[member]], folds

    def _clips(self, store: Splittable) -> tuple[np.ndarray, int]:
        """The same for single clips: dealt round, class after class, in a shuffled order."""
        if self.folds is None:
            raise ConfigError(
                "single clips need a number of folds", where="datamodule.split.folds", remedy="As in folds=5."
            )
        labels = np.asarray(store.labels)
        folds = self._count(len(labels), "clips")
        shuffled = np.random.default_rng(self.seed).permutation(len(labels))
        dealt = np.empty(len(labels), dtype=int)
        dealt[shuffled[np.argsort(labels[shuffled], kind="stable")]] = np.arange(len(labels)) % folds
        return dealt, folds

    def _count(self, members: int, what: str) -> int:
        """The number of folds into which so many can be dealt."""
        if self.folds is not None and self.folds < 3:
            said = f"{self.folds} leave none to train: one tests, the next one validates"
            raise ConfigError(said, where="datamodule.split.folds", remedy="3 or more.")
        folds = self.folds or max(members, 3)
        if members < folds:
            fewer, another = f"{members} folds at most.", "One tests, one validates, the rest train: take another `by`."
            raise DataError(
                f"{members:,} {what} cannot be dealt into {folds} folds",
                where="datamodule.split.folds",
                remedy=fewer if members >= 3 else another,
            )
        return folds


@dataclass(frozen=True)
class ColumnSplit:
    """The split that the source itself gives, in a column of it."""

    column: str
    names: Mapping[str, str] | None = None
    """What the column says for `train`, `val` and `test`; None: these words."""
    whole_sequences: bool = field(default=True, repr=False)
    """What the column is said to be; it moves no event, so it is not in the repr that the data's fingerprint reads."""

    def __post_init__(self):
        names = dict(self.names or {})
        if unknown := set(names) - {"train", "val", "test"}:
            what = f"{', '.join(sorted(unknown))}: no such split"
            raise ConfigError(what, where="datamodule.split.names", remedy="Keys: train, val, test.")
        names = {name: str(names.get(name, name)) for name in ("train", "val", "test")}
        if len(set(names.values())) < len(names):
            what = f"two splits are called the same: {', '.join(f'{name} {word!r}' for name, word in names.items())}"
            raise ConfigError(what, where="datamodule.split.names", remedy="No event can be in two splits.")
        object.__setattr__(self, "names", names)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def __call__(self, frame: "pd.DataFrame") -> np.ndarray:
        """Raises DataError for a cell that names no split."""
        cells = frame[self.column].fillna("").astype(str)
        split = np.full(len(frame), -1, dtype=np.int8)
        for number, name in enumerate(self.names.values()):
            split[(cells == name).to_numpy()] = number
        if (split < 0).any():
            rows = frame.index[split < 0]
            found = sorted(cells[rows].unique())
            raise DataError(
                f"{', '.join(map(repr, found[:5]))}{' ...' if len(found) > 5 else ''}: no split ({len(rows):,} rows)",
                where=f"{place(frame, rows.min(), 'the source')}, column {self.column!r}",
                remedy=f"It may say {', '.join(self.names.values())}; datamodule.split.names can give other words.",
            )
        return split


@dataclass(frozen=True)
class ChronologicalSplit:
    """Each event by its own date: its history may reach back over the border."""

    val_from: str
    """The first moment of the validation split, ISO 8601, in UTC where the source's times have a zone."""
    test_from: str

    columns = ()
    whole_sequences = False

    def __post_init__(self):
        if self._moment("val_from") >= self._moment("test_from"):
            what = f"val_from {self.val_from} is not before test_from {self.test_from}"
            raise ConfigError(what, where="datamodule.split", remedy="Training, validation and test follow in time.")

    def _moment(self, key: str) -> np.datetime64:
        try:
            return np.datetime64(str(getattr(self, key)), "us")
        except ValueError as error:
            what = f"{getattr(self, key)!r} is no date"
            raise ConfigError(what, where=f"datamodule.split.{key}", remedy='As in "2013-09-01".') from error

    def __call__(self, frame: "pd.DataFrame") -> np.ndarray:
        borders = np.array([self._moment("val_from"), self._moment("test_from")])
        return np.searchsorted(borders, frame["time"].to_numpy(), side="right").astype(np.int8)


@dataclass(frozen=True)
class SequenceHashSplit:
    """Whole sequences by a hash of (seed, name): a sequence stays where it is when others are added."""

    val_share: float
    test_share: float
    seed: int
    """Not the run's seed, so that runs with other seeds stay comparable."""

    columns = ()
    whole_sequences = True

    def __post_init__(self):
        if min(self.val_share, self.test_share) < 0 or self.val_share + self.test_share >= 1:
            what = f"val_share {self.val_share} and test_share {self.test_share} leave no share for training"
            raise ConfigError(what, where="datamodule.split", remedy="Shares from 0 to below 1, together below 1.")

    def __call__(self, frame: "pd.DataFrame") -> np.ndarray:
        codes, names = frame["sequence"].factorize()
        share = _hashed(names, self.seed)
        split = np.where(share < self.test_share, 2, np.where(share < self.test_share + self.val_share, 1, 0))
        return split.astype(np.int8)[codes]


@dataclass(frozen=True)
class SequenceFold:
    """One fold of a cross-validation over whole sequences, each fold a stretch of time or of names.

    Sequences stand in the order of their first events (ties: of their names) or of their names, and are cut into
    `folds` blocks of one size. One block tests; of the others, a share drawn by a hash of their names validates and
    the rest train.
    """

    folds: int
    fold: int
    """Which one tests, from 0: the first in that order."""
    val_share: float
    """Of the sequences that do not test."""
    seed: int
    """Of the hash; not the run's seed, so that runs with other seeds stay comparable."""
    order: str
    """`time` tests on a time that training has not seen; `name`, as text, is how many published folds are cut."""

    columns = ()
    whole_sequences = True

    def __post_init__(self):
        if self.order not in ("time", "name"):
            remedy = "time (of the first event) or name."
            raise ConfigError(f"no order {self.order!r}", where="datamodule.split.order", remedy=remedy)
        if self.folds is None:
            what = "stretches of time need a number of folds"
            raise ConfigError(what, where="datamodule.split.folds", remedy="As in folds=5.")
        if self.folds < 2 or self.fold not in range(self.folds):
            what = f"there is no fold {self.fold} of {self.folds}, they are numbered from 0"
            raise ConfigError(what, where="datamodule.split.fold", remedy="2 folds or more; the last is folds - 1.")
        if not 0 < self.val_share < 1:
            what = f"a share of {self.val_share} leaves nothing to train or to validate"
            raise ConfigError(what, where="datamodule.split.val_share", remedy="Between 0 and 1.")

    def __call__(self, frame: "pd.DataFrame") -> np.ndarray:
        """Raises DataError where there are fewer sequences than folds."""
        first = frame.groupby("sequence", sort=True)["time"].min()
        if self.order == "time":
            first = first.sort_values(kind="stable")
        if len(first) < self.folds:
            what = f"{len(first):,} sequences cannot be dealt into {self.folds} folds"
            raise DataError(what, where="datamodule.split.folds", remedy="Take fewer folds.")
        block = np.arange(len(first)) * self.folds // len(first)
        split = np.where(block == self.fold, 2, _hashed(first.index, self.seed) < self.val_share)
        return split.astype(np.int8)[first.index.get_indexer(frame["sequence"])]


def _hashed(names: Iterable[str], seed: int) -> np.ndarray:
    """A number in [0, 1) for every name; by hashlib, not pandas' hash: it is the same in every version."""
    digests = b"".join(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, dtype="<u8") / 2.0**64
