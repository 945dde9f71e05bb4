"""Which class is taken for which: in words and as a picture.

Legend: K classes.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from callbacks.pictures import confusion_picture
from reports.markdown_text import code, figure
from reports.run_files import RunFiles, sequence

LEGIBLE = 30
"""Classes that a picture can name."""
NAMED = 24
"""Of more, those that are drawn by name; the rest are one row and one column."""


@dataclass(frozen=True)
class Confusion:
    """Clips by true and predicted class."""

    counts: np.ndarray
    """[K, K]: rows are true classes, columns predicted ones."""
    classes: list[str]

    def pairs(self, most: int = 10) -> list[tuple[str, str, int, int]]:
        """(true class, taken for, clips, of that class's clips), the most frequent first; equals by their share."""
        wrong = self.counts * (1 - np.eye(len(self.classes), dtype=int))
        sizes = self.counts.sum(axis=1)
        found = [(int(wrong[i, j]), wrong[i, j] / sizes[i], i, j) for i, j in zip(*np.nonzero(wrong), strict=True)]
        found.sort(key=lambda pair: (-pair[0], -pair[1], pair[2], pair[3]))
        return [(self.classes[i], self.classes[j], count, int(sizes[i])) for count, _, i, j in found[:most]]


def confusion_of(run: RunFiles) -> Confusion | None:
    """The confusion matrix, where it is a square table of counts."""
    try:
        counts = np.array(run.evaluation.get("confusion"), dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        return None
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.size == 0 or counts.min() < 0:
        return None
    names = [str(name) for name in sequence(run.evaluation.get("classes"))]
    return Confusion(counts, names if len(names) == len(counts) else [f"class {i}" for i in range(len(counts))])


def confused_pairs(confusion: Confusion) -> str:
    """The most confused pairs in words."""
    pairs, wrong = confusion.pairs(), int(confusion.counts.sum() - np.trace(confusion.counts))
    total = int(confusion.counts.sum())
    if not pairs:
        return f"All {figure(total)} clips are in the class that they belong to."
    lines = [f"- {code(a, 60)} taken for {code(b, 60)}: {n} of {of} clips" for a, b, n, of in pairs]
    here = sum(pair[2] for pair in pairs)
    return f"{figure(wrong)} of {figure(total)} clips are taken for another class, {here} of them so:\n\n" + "\n".join(
        lines
    )


def confusion_drawing(confusion: Confusion, split: str) -> Figure:
    """The matrix, with the clips in its cells where there is room; of many classes the most confused ones."""
    counts_KK, names = confusion.counts, confusion.classes
    if len(names) > LEGIBLE:
        counts_KK, names = _most_confused(confusion)
    drawing = confusion_picture(counts_KK, tuple(names), f"{split}: {len(confusion.classes)} classes")
    if len(names) <= 16:
        axis, sizes = drawing.axes[0], np.maximum(counts_KK.sum(axis=1), 1)
        for i, j in zip(*np.nonzero(counts_KK), strict=True):
            colour = "white" if counts_KK[i, j] > 0.6 * sizes[i] else "#333333"
            axis.text(j, i, str(counts_KK[i, j]), ha="center", va="center", fontsize=8, color=colour)
    return drawing


def _most_confused(confusion: Confusion) -> tuple[np.ndarray, list[str]]:
    """The classes of the most frequent mistakes, and all others as one."""
    wrong_KK = confusion.counts * (1 - np.eye(len(confusion.classes), dtype=int))
    mistakes_K = wrong_KK.sum(axis=0) + wrong_KK.sum(axis=1)
    chosen = np.sort(np.argsort(-mistakes_K, kind="stable")[:NAMED])
    group_K = np.full(len(mistakes_K), NAMED)
    group_K[chosen] = np.arange(NAMED)
    counts = np.zeros((NAMED + 1, NAMED + 1), dtype=np.int64)
    np.add.at(counts, (group_K[:, None], group_K[None, :]), confusion.counts)
    return counts, [*(confusion.classes[i] for i in chosen), f"{len(mistakes_K) - NAMED} others"]
