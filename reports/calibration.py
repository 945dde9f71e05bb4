"""How far a model's confidence can be believed: in words and as a reliability diagram."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from reports.drawing import GREY, MODEL
from reports.markdown_text import figure
from reports.run_files import RunFiles, mapping, number, sequence


@dataclass(frozen=True)
class Calibration:
    """Predictions in bins of confidence; only bins with predictions."""

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error (Naeini et al. 2015): the mean distance of the two, weighted by counts."""
        return float((self.count * abs(self.accuracy - self.confidence)).sum() / self.count.sum())

    @property
    def over(self) -> float:
        """Mean confidence minus mean accuracy."""
        return float((self.count * (self.confidence - self.accuracy)).sum() / self.count.sum())


def calibration_of(run: RunFiles) -> Calibration | None:
    """The bins that hold something and are numbers."""
    bins = [
        [number(mapping(one).get(key)) for key in ("confidence", "accuracy", "count")]
        for one in sequence(run.evaluation.get("calibration"))
    ]
    known = np.array([one for one in bins if None not in one and one[2] > 0], dtype=float)
    return Calibration(*known.T) if len(known) else None


def calibration_words(calibration: Calibration) -> str:
    """What the diagram means."""
    mean = np.average(calibration.confidence, weights=calibration.count)
    right = np.average(calibration.accuracy, weights=calibration.count)
    lean = "overconfident" if calibration.over > 0 else "underconfident"
    meaning = f"on the whole the model is {lean}" if abs(calibration.over) >= 0.01 else "on the whole the two agree"
    return (
        f"Expected calibration error {calibration.error:.3f}. Mean confidence {mean:.3f}, accuracy {right:.3f} over "
        f"{figure(int(calibration.count.sum()))} predictions: {meaning}."
    )


def calibration_drawing(calibration: Calibration) -> Figure:
    """Accuracy over confidence, and below it how many predictions each bin holds."""
    drawing = Figure(figsize=(5.6, 5.6), layout="constrained")
    above, below = drawing.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    above.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="confidence = accuracy")
    above.vlines(calibration.confidence, calibration.confidence, calibration.accuracy, color="#9ec5e8", linewidth=3)
    above.plot(calibration.confidence, calibration.accuracy, "o-", color=MODEL, label="the model")
    above.set(ylabel="share that is right", ylim=(0, 1.02), xlim=(0, 1))
    above.set_title(f"calibration error {calibration.error:.3f}")
    above.legend(frameon=False, loc="upper left")
    below.bar(calibration.confidence, calibration.count, width=0.045, color=MODEL, alpha=0.55)
    below.set(xlabel="confidence", ylabel="predictions")
    for axis in (above, below):
        axis.spines[["top", "right"]].set_visible(False)
    return drawing
