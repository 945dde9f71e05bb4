"""The LightningDataModule of skeleton clips: a store, a split, loaders and the two pipelines of transforms."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import lightning as L
import numpy as np
from torch import nn
from torch.utils.data import DataLoader, Dataset

from datamodules.loading import batch_loader
from datamodules.sampling import ClipSampler
from datamodules.skeletons.checks import check_clips
from datamodules.skeletons.features import Channels, Normalise, Resample, count_channels
from datamodules.skeletons.store import ClipStore
from datamodules.skeletons.transforms import Augmentation
from schemas.batches import ClipBatch
from schemas.clips import ClipSchema
from schemas.errors import ConfigError, DataError
from schemas.findings import Finding


class ClipRows(Dataset):
    """Some rows of a store; a list of indices is read as one batch."""

    def __init__(self, store: ClipStore, rows: np.ndarray):
        self.store, self.rows = store, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, indices: list[int]) -> ClipBatch:
        return self.store.gather(self.rows[indices])


class SkeletonDataModule(L.LightningDataModule):
    """Clips of one store.

    Args:
        root: the store's folder.
        generate: writes the store where it is absent (embedded data), a partial that names its seed; None where it
            has to be imported.
        origin: where the source of an absent store can be had, and how it is imported.
        split: from a store to the rows of train, val and test.
        sampler: `shuffle`, or `balanced` to draw every class equally often.
        frames: S, the moments at which every clip is read; None keeps its own frames.
        channels: what a node sees, of `features.CHANNELS`.
        augment: what training does to its clips at random.
        steps_per_epoch: batches of an epoch, which goes on where the last one ended; null: one pass over the clips.
        num_workers: capped at the machine's cores.

    Raises:
        DataError: when the store is absent and cannot be generated, or is damaged.
    """

    def __init__(
        self,
        root: str,
        generate: Callable[[Path], None] | None,
        origin: str,
        split: Callable[[ClipStore], dict[str, np.ndarray]],
        sampler: str,
        frames: int | None,
        channels: Sequence[str],
        augment: Augmentation,
        batch_size: int,
        steps_per_epoch: int | None,
        num_workers: int,
        seed: int,
    ):
        super().__init__()
        self.root, self.generate, self.origin, self.split = Path(root), generate, origin, split
        self.sampler, self.frames, self.channels = sampler, frames, list(channels)
        self.augment, self.steps_per_epoch, self.seed = augment, steps_per_epoch, seed
        self.batch_size, self.num_workers = batch_size, min(num_workers, os.cpu_count() or 1)

    @property
    def name(self) -> str:
        return self.store.name

    def prepare_data(self) -> None:
        """Generates the store of an embedded data set where it is not there yet."""
        if self.root.exists():
            return
        if self.generate is None:
            raise DataError("this data set has not been imported", where=self.root, remedy=self.origin)
        self.generate(self.root)

    @cached_property
    def store(self) -> ClipStore:
        self.prepare_data()
        store = ClipStore(self.root)
        if self.generate is not None:
            self._check_generated(store.header["source"])
        return store

    def _check_generated(self, source: Mapping) -> None:
        """A store made by another version or from another seed is not what the config says."""
        asked = {"version": inspect.getmodule(self.generate.func).VERSION, "seed": self.generate.keywords["seed"]}
        if (made := {name: source.get(name) for name in asked}) != asked:
            raise DataError(
                f"it was generated with {made}, the config asks for {asked}",
                where=self.root,
                remedy="Remove it, and it is generated anew; or name another datamodule.root.",
            )

    @cached_property
    def rows(self) -> dict[str, np.ndarray]:
        """Rows of the store by split."""
        return self.split(self.store)

    @cached_property
    def schema(self) -> ClipSchema:
        """What the model must know of the data."""
        channels = count_channels(self.channels, self.store.coordinates, self.store.extra_channels)
        return ClipSchema(self.store.skeleton, self.store.classes, channels)

    @property
    def class_counts(self) -> np.ndarray:
        """[K] training clips of each class."""
        return np.bincount(self.store.labels[self.rows["train"]], minlength=self.schema.num_classes)

    def findings(self) -> list[Finding]:
        """What may be wrong with these clips under this split; reads every clip once, no label of the test split
        decides anything."""
        return check_clips(self.store, self.rows, getattr(self.split, "claims", {}))

    def train_transform(self) -> nn.Sequential:
        """Normalise, augment, read a random stretch, derive the channels, mix."""
        mirrored = self.augment.joints.get("flip")
        if mirrored is not None and mirrored.keywords["probability"] > 0 and self.store.extra_channels:
            raise ConfigError(
                "extra channels have no mirror image",
                where="datamodule.augment.joints.flip",
                remedy="Use datamodule/augment=no_flip.",
            )
        return self.augment.build(self.store.skeleton, self.frames, self.channels)

    def eval_transform(self) -> nn.Sequential:
        """Normalise, read at even moments, derive the channels: nothing random."""
        skeleton = self.store.skeleton
        return nn.Sequential(Normalise(skeleton), Resample(self.frames), Channels(skeleton, self.channels))

    def _loader(self, rows: np.ndarray, sampler: ClipSampler | None = None) -> DataLoader:
        return batch_loader(ClipRows(self.store, rows), self.batch_size, self.num_workers, sampler)

    def train_dataloader(self) -> DataLoader:
        # Stores are sorted by class; whoever reads in order (debug=overfit) shall meet all classes.
        rows = np.random.default_rng(0).permutation(self.rows["train"])
        weights = None
        if self.sampler == "balanced":
            weights = 1.0 / self.class_counts[self.store.labels[rows]]
        draws = None if self.steps_per_epoch is None else self.steps_per_epoch * self.batch_size
        return self._loader(rows, ClipSampler(len(rows), self.seed, weights, draws))

    def val_dataloader(self) -> DataLoader:
        return self._loader(self.rows["val"])

    def test_dataloader(self) -> DataLoader:
        return self._loader(self.rows["test"])
