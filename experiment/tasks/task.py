"""The interface of a task, and the choice of one."""

from typing import Protocol

import lightning as L
from omegaconf import DictConfig

from experiment.results import TestResult


class Task(Protocol):
    """A kind of data with its LightningModule."""

    unit: str
    """What is counted: clips, events."""
    drawn: str
    """What the bootstrap draws: clips, sequences."""
    nothing_to_train: str
    """What to do where there is nothing to train on."""

    def shown(self, config: DictConfig) -> dict[str, str]:
        """The final table's metrics, the headline metric (that of the interval) first, and what a person calls them."""

    def by_field_title(self, config: DictConfig) -> str:
        """What stands above the table of fields, where there are fields."""

    def count(self, datamodule: L.LightningDataModule, split: str) -> int:
        """Clips, or events that are predicted, of a split."""

    def facts(self, datamodule: L.LightningDataModule) -> dict:
        """What provenance says of the data: checksums of data and split, counts."""

    def describe(self, datamodule: L.LightningDataModule) -> str:
        """A line about the data."""

    def build_module(self, config: DictConfig, datamodule: L.LightningDataModule) -> L.LightningModule:
        """The LightningModule around the net."""

    def keeper(self) -> L.Callback:
        """The callback that keeps a test epoch's outputs for `conclude`."""

    def conclude(
        self, datamodule: L.LightningDataModule, module: L.LightningModule, keeper: L.Callback, metrics: dict
    ) -> TestResult:
        """The test split's figures."""


def task_of(config: DictConfig) -> Task:
    """The task that model and data share."""
    if config.model.task == "events":
        from experiment.tasks.events import EventTask

        return EventTask()
    from experiment.tasks.clips import ClipTask

    return ClipTask()
