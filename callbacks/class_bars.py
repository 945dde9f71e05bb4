"""Which classes are recognised and which are not, as bars in TensorBoard.

Legend: n clips, K classes.
"""

from dataclasses import dataclass

import lightning as L
import numpy as np
from matplotlib.figure import Figure

from callbacks.board import board_of
from callbacks.pictures import for_a_card, short
from callbacks.split_chart import SplitChart, step_of
from schemas.batches import ClipOutput

ENDS = 15
"""Of more than twice as many classes, the worst and the best are drawn."""
RECALL, PRECISION = "#1f77b4", "#c96f12"


@dataclass(frozen=True)
class ClassScores:
    """How each class fared; not a number where there is nothing to divide by."""

    clips: np.ndarray
    """[K] that are of the class."""
    recall: np.ndarray
    """[K] of its clips, the share that was recognised."""
    precision: np.ndarray
    """[K] of the clips that were taken for it, the share that is of it."""
    f1: np.ndarray
    """[K] their harmonic mean."""

    @classmethod
    def of(cls, label_n: np.ndarray, predicted_n: np.ndarray, classes: int) -> "ClassScores":
        """Args: `predicted_n`: -1 where the net said nothing."""
        clips = np.bincount(label_n, minlength=classes)
        said = np.bincount(predicted_n[predicted_n >= 0], minlength=classes)
        right = np.bincount(label_n[label_n == predicted_n], minlength=classes)
        with np.errstate(invalid="ignore"):
            return cls(clips, right / clips, right / said, 2 * right / (clips + said))

    def worst_first(self) -> np.ndarray:
        """The classes that have clips, by F1."""
        order = np.argsort(self.f1, kind="stable")
        return order[self.clips[order] > 0]


class ClassBars(SplitChart):
    """Recall and precision of each class, the worst first: `classes/val` and `classes/test`.

    Args:
        every_n_epochs: how often those of validation are drawn before the end.
    """

    def draw(self, trainer: L.Trainer, split: str, output: ClipOutput, last: bool) -> None:
        if board := board_of(trainer):
            names = trainer.datamodule.schema.classes
            scores = ClassScores.of(output.label.numpy(), output.predicted.numpy(), len(names))
            board.add_figure(
                f"classes/{split}", class_picture(scores, names, self.title(trainer, split, last)), step_of(trainer)
            )


def class_picture(scores: ClassScores, names: tuple[str, ...], title: str) -> Figure:
    """A bar a class for its recall, a diamond for its precision, and how many clips it has; narrow, as TensorBoard's
    cards are."""
    order = scores.worst_first()
    between = len(order) - 2 * ENDS
    if between > 0:
        order = np.r_[order[:ENDS], order[-ENDS:]]
    figure = Figure(figsize=(4.2, 1.3 + 0.25 * len(order)), layout="constrained")
    axis, rows = figure.subplots(), np.arange(len(order))
    rows[ENDS:] += between > 0  # a row is left free where classes are left out
    axis.barh(rows, scores.recall[order], height=0.62, color=RECALL, alpha=0.85, label="recall")
    axis.plot(scores.precision[order], rows, "D", color=PRECISION, markersize=5, label="precision", clip_on=False)
    for row in rows[np.isnan(scores.precision[order])]:
        axis.text(0.01, row, "never said", fontsize=9, va="center", color=PRECISION)
    if between > 0:
        axis.text(0.01, ENDS, f"{between} between", fontsize=9, va="center", color="#555555")
    axis.set_yticks(rows, [f"{short(names[k], 18)} ({scores.clips[k]:,})" for k in order], fontsize=9, parse_math=False)
    axis.set(xlim=(0, 1), ylim=(rows[-1] + 0.6, -0.6))
    axis.set_title(f"{title}: classes (clips), worst F1 first", fontsize=10, loc="right", pad=22)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.legend(ncols=2, loc="lower left", bbox_to_anchor=(-0.01, 1), frameon=False, fontsize=9, borderpad=0)
    return for_a_card(figure)
