"""What a net says of a whole split, batch by batch with a bar, and what that comes to."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import lightning as L
import pyarrow as pa
from rich import get_console
from rich.progress import track

from callbacks.predictions import EventScores
from experiment.evaluation.figures import Figure
from experiment.evaluation.opened_runs import OpenedRun
from experiment.evaluation.request import SPLITS
from schemas.batches import ClipOutput


@dataclass(frozen=True)
class Evaluated:
    """What is known of a split when its answers are in."""

    output: ClipOutput | EventScores
    """What the verdict is about."""
    figures: dict[str, Figure]
    numbers: dict
    """Of evaluation.json, beside what a run's own has."""
    predictions: pa.Table
    """A row a clip or event."""
    module: L.LightningModule | None = None
    """For which baselines of events are counted."""
    notes: tuple[str, ...] = ()
    """What a reader of the figures must know, a sentence each."""


def collect(member: OpenedRun, split: str, answer: Callable[[object], object]) -> ClipOutput | EventScores:
    """The answers to every batch of a split, kept as a run keeps those of its test.

    Args:
        answer: from a batch to a ClipOutput or EventOutput.
    """
    keeper = member.task.keeper("", lower_is_better=False)
    for number, batch in enumerate(batches_of(member, split)):
        keeper.on_test_batch_end(None, None, answer(batch), batch, number)
    keeper.on_test_epoch_end(None, None)
    return keeper.test


def batches_of(member: OpenedRun, split: str) -> Iterable:
    """The batches of a split, with a bar in a terminal."""
    loader = {"val": member.datamodule.val_dataloader, "test": member.datamodule.test_dataloader}[split]()
    title, console = f"{member.folder.resolve().name}, {SPLITS[split]}", get_console()
    return track(loader, title, console=console, transient=True, disable=not console.is_terminal)
