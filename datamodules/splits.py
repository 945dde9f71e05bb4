"""Which clips train, validate and test."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from schemas.errors import DataError


class Splittable(Protocol):
    """What a split reads of a store."""

    labels: np.ndarray
    groups: dict[str, np.ndarray]

    def rows(self, split: str) -> np.ndarray: ...


@dataclass(frozen=True)
class OfficialSplit:
    """The split that the source itself gives; a validation set that it lacks is cut from its training clips."""

    validation_by: str | None
    """The group whose members are kept together (subject, signer); None draws a share of every class."""
    validation_share: float
    """The least share of the training clips to cut off."""
    seed: int
    """Decides which; not the run's seed, so that runs with other seeds stay comparable."""

    def __call__(self, store: Splittable) -> dict[str, np.ndarray]:
        """Rows of the store for train, val and test, sorted; raises DataError for a group that is not there."""
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

    def _by_group(self, store: Splittable, rows: dict[str, np.ndarray]) -> np.ndarray:
        if self.validation_by not in store.groups:
            raise DataError(
                f"its clips have no group {self.validation_by!r}",
                where="datamodule.split.validation_by",
                remedy=f"Known groups: {', '.join(store.groups) or 'none; set it to null'}.",
            )
        group = store.groups[self.validation_by][rows["train"]]
        members = np.random.default_rng(self.seed).permutation(np.unique(group))
        chosen = np.zeros(len(group), dtype=bool)
        for member in members:
            if chosen.mean() >= self.validation_share:
                break
            chosen |= group == member
        return chosen
