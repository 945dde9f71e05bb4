"""The interface of a task, and the choice of one."""

from pathlib import Path
from typing import Protocol

import lightning as L
from omegaconf import DictConfig

from experiment.final_table import TestResult
from models.baselines.verdict import Verdict


class Task(Protocol):
    """A kind of data with its LightningModule."""

    unit: str
    """What is counted: clips, events."""
    drawn: str
    """What the bootstrap draws: clips, sequences."""
    nothing_to_train: str
    """What to do where there is nothing to train on."""
    headline: str
    """The metric of the verdict and of the interval, as the LightningModule names it: accuracy, loss."""

    def shown(self, config: DictConfig) -> dict[str, str]:
        """The final table's metrics, the headline first, and what a person calls them."""

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

    def keeper(self, monitor: str, lower_is_better: bool) -> L.Callback:
        """The callback that keeps what the net says, for `conclude`, `judge` and `evaluate`."""

    def uniform(self, datamodule: L.LightningDataModule, module: L.LightningModule) -> dict[str, float]:
        """Metric -> what guessing uniformly costs, in nats."""

    def baselines(self, datamodule: L.LightningDataModule, module: L.LightningModule, cache: Path) -> dict:
        """By split (`val`, `test`) what simple models reach on the module's own targets."""

    def blind(self, validation: object) -> dict[str, float]:
        """Field -> nats of the best blind guess on validation, given its baselines; empty where there are no fields."""

    def judge(
        self,
        datamodule: L.LightningDataModule,
        output: object,
        baselines: object,
        split: str,
        looks: int,
        final: bool,
    ) -> Verdict | None:
        """The verdict on what the net said of a split; None where there is nothing to pair."""

    def conclude(
        self, datamodule: L.LightningDataModule, module: L.LightningModule, output: object, metrics: dict, baselines
    ) -> TestResult:
        """The test split's figures; `baselines` is None where there are none."""

    def evaluate(
        self, datamodule: L.LightningDataModule, module: L.LightningModule, output: object, baselines, verdict
    ) -> dict:
        """The plain numbers of evaluation.json; `baselines` and `verdict` may be None."""


def task_of(config: DictConfig) -> Task:
    """The task that model and data share."""
    if config.model.task == "events":
        from experiment.tasks.events import EventTask

        return EventTask()
    from experiment.tasks.clips import ClipTask

    return ClipTask()
