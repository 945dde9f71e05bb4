"""Precision against recall in TensorBoard: at which threshold a class can be told from the others.

Legend: n clips, K classes.
"""

import lightning as L
import numpy as np

from callbacks.board import board_of
from callbacks.class_bars import ClassScores
from callbacks.split_chart import SplitChart, step_of
from schemas.batches import ClipOutput


class PRCurves(SplitChart):
    """One class against the rest for the worst ones, and all decisions together (micro-average), at the end.

    Tags: `pr_val/all classes`, `pr_val/<class>`, and `pr_test/...`. Which classes are the worst changes from epoch to
    epoch; curves before the end would be of other ones.

    Args:
        classes: how many of the worst (by F1) have a curve of their own.
    """

    def __init__(self, classes: int):
        super().__init__(every_n_epochs=None)
        self.classes = classes

    def draw(self, trainer: L.Trainer, split: str, output: ClipOutput, last: bool) -> None:
        board, names = board_of(trainer), trainer.datamodule.schema.classes
        if board is None:
            return
        if not output.logits.isfinite().all(dim=1).any():
            return  # a net that says nothing has no curve
        label, step = output.label.numpy(), step_of(trainer)
        # A clip whose logits are not finite is called by no name.
        probability_nK = np.nan_to_num(output.logits.softmax(dim=1).numpy(), nan=0.0)
        true_nK = label[:, None] == np.arange(len(names))
        board.add_pr_curve(f"pr_{split}/all classes", true_nK.ravel(), probability_nK.ravel(), step)
        scores = ClassScores.of(label, output.predicted.numpy(), len(names))
        for number in scores.worst_first()[: self.classes]:
            board.add_pr_curve(f"pr_{split}/{names[number]}", true_nK[:, number], probability_nK[:, number], step)
