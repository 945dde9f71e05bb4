"""A run beside its baselines: they are handed to the callbacks before training, and have the last word after it."""

from pathlib import Path

import lightning as L

from callbacks.baseline_lines import BaselineLines
from callbacks.health.collapse import Collapse
from callbacks.health.uniform import WorseThanUniform
from callbacks.provisional_verdict import ProvisionalVerdict, looks_of
from experiment.tasks.task import Task
from models.baselines.verdict import Verdict
from schemas.errors import DataError


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
        except DataError as error:
            self.missing = f"no baseline could be fitted: {error}"

    def hand_over(self, trainer: L.Trainer) -> None:
        """Gives the callbacks the plain numbers that they compare with."""
        validation = self.baselines.get("val")
        for callback in trainer.callbacks:
            if isinstance(callback, WorseThanUniform):
                callback.levels = self.task.uniform(self.datamodule, self.module)
            elif isinstance(callback, BaselineLines):
                callback.levels = {split: known.levels for split, known in self.baselines.items()}
            elif isinstance(callback, Collapse) and validation is not None:
                callback.blind = self.task.blind(validation)
            elif isinstance(callback, ProvisionalVerdict) and validation is not None:
                callback.judge = lambda kept, looks: self._judge(kept, "val", looks, final=False)

    def _judge(self, kept: object, split: str, looks: int, final: bool) -> Verdict | None:
        if self.missing or kept is None:
            return None
        name = {"val": "validation"}.get(split, split)
        verdict = None
        if split in self.baselines:
            verdict = self.task.judge(self.datamodule, kept, self.baselines[split], name, looks, final)
        if verdict is None and final:
            self.missing = f"not every target of the {name} split was scored"
        return verdict

    def conclude(self, trainer: L.Trainer, keeper: L.Callback) -> tuple[Verdict | None, dict]:
        """The last word on what the net said, and the numbers of evaluation.json: on the test split where it was
        opened, else on the best epoch's validation, which that epoch was selected on.

        Of a run that was cut short, on what there is; the numbers are empty where nothing was validated.
        """
        split, looks = ("test", 1) if keeper.test is not None else ("val", looks_of(trainer))
        kept = keeper.test or keeper.best or keeper.val
        if kept is None:
            self.missing = self.missing or "nothing was validated"
            return None, {}
        verdict = self._judge(kept, split, looks, final=True)
        numbers = self.task.evaluate(self.datamodule, self.module, kept, self.baselines.get(split), verdict)
        return verdict, numbers | {"split": {"val": "validation"}.get(split, split)}
