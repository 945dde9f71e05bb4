"""A run beside its baselines: they are handed to the callbacks before training, and have the last word after it."""

from pathlib import Path

import lightning as L
import numpy as np

from callbacks.baseline_lines import BaselineLines
from callbacks.health.collapse import Collapse
from callbacks.health.uniform import WorseThanUniform
from callbacks.provisional_verdict import ProvisionalVerdict, looks_of
from experiment.tasks.task import Task
from models.baselines.verdict import FEWEST, Verdict
from schemas.errors import DataError

NAMES = {"val": "validation", "test": "test"}
"""What a person calls the splits."""


class Comparison:
    """What simple models reach on this run's targets.

    Args:
        cache: the folder in which fitted baselines are kept.

    Attributes:
        missing: why there is no verdict; empty where there is one.
    """

    def __init__(self, task: Task, datamodule: L.LightningDataModule, module: L.LightningModule, cache: Path):
        self.task, self.datamodule, self.module = task, datamodule, module
        self.baselines, self.missing = {}, ""
        try:
            self.baselines = task.baselines(datamodule, module, cache)
        except (DataError, np.linalg.LinAlgError, MemoryError) as error:
            self.missing = f"no baseline could be fitted: {error or type(error).__name__}"

    def hand_over(self, trainer: L.Trainer) -> None:
        """Gives the callbacks the plain numbers that they compare with."""
        whole = whole_splits(trainer)
        validation = self.baselines.get("val") if "val" in whole else None
        levels = {split: known.levels for split, known in self.baselines.items() if split in whole}
        for callback in trainer.callbacks:
            if isinstance(callback, WorseThanUniform):
                callback.levels = self.task.uniform(self.datamodule, self.module)
            elif isinstance(callback, BaselineLines):
                callback.levels = levels
            elif isinstance(callback, Collapse) and validation is not None:
                callback.blind = self.task.blind(validation)
            elif isinstance(callback, ProvisionalVerdict) and validation is not None:
                callback.judge = lambda kept, looks: self._judge(kept, "val", looks, final=False)

    def _judge(self, kept: object, split: str, looks: int, final: bool) -> Verdict | None:
        if self.missing or split not in self.baselines:
            return None
        verdict = self.task.judge(self.datamodule, kept, self.baselines[split], NAMES[split], looks, final)
        if verdict is None and final:
            self.missing = f"not every target of the {NAMES[split]} split was scored"
        elif verdict is not None and verdict.units <= FEWEST:
            self.missing = f"{verdict.units} {self.task.drawn} decide nothing: it takes more than {FEWEST}"
            return None
        return verdict

    def conclude(self, trainer: L.Trainer, keeper: L.Callback) -> tuple[Verdict | None, dict]:
        """The last word on what the net said, and the numbers of evaluation.json: on the test split where it was
        opened, else on the best epoch's validation, which that epoch was selected on.

        Where no epoch was the best there are the last validation's numbers, without a verdict; where nothing was
        validated they are empty.
        """
        split, looks = ("test", 1) if keeper.test is not None else ("val", looks_of(trainer))
        verdict, kept = None, keeper.test or keeper.best
        if kept is not None:
            verdict = self._judge(kept, split, looks, final=True)
        elif keeper.val is not None:
            kept, self.missing = keeper.val, self.missing or "no epoch has become the best one"
        else:
            self.missing = self.missing or "nothing was validated"
            return None, {}
        numbers = self.task.evaluate(self.datamodule, self.module, kept, self.baselines.get(split), verdict)
        return verdict, numbers | {"split": NAMES[split]}


def whole_splits(trainer: L.Trainer) -> set[str]:
    """Those that are read to their end: figures of a part stand beside no baseline of the whole."""
    limits = {"val": trainer.limit_val_batches, "test": trainer.limit_test_batches}
    return {split for split, limit in limits.items() if limit == 1.0}
