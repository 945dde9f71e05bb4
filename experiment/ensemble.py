"""Several runs as one classifier: their calibrated probabilities averaged with equal weights.

Members may differ in seed, model or channels (joint, bone and motion streams); data and split must be the same.
Legend: M members, N clips, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from experiment.figures import clip_figures, nats, paired_lead
from experiment.temperature import fit_temperature
from experiment.views import pooled
from schemas.batches import ClipOutput
from schemas.errors import DataError

CHUNK = 4096
"""Clips that are averaged at once: in float64, all members of a large split would fill the memory."""


@dataclass(frozen=True)
class Answers:
    """What a run, or an ensemble, says of validation and of the split that is evaluated."""

    name: str
    val: ClipOutput | None
    """None where there is no validation clip."""
    on: ClipOutput

    @property
    def temperature(self) -> float | None:
        """Fitted on validation; None where that cannot be."""
        if self.val is None or len(self.val.label) == 0 or not self.val.logits.isfinite().all():
            return None
        return fit_temperature(self.val.logits, self.val.label)


def calibrated(answers: Answers) -> Answers:
    """The same with logits divided by the temperature; as they are where there is none."""
    if (temperature := answers.temperature) is None:
        return answers
    val, on = (replace(output, logits=output.logits / temperature) for output in (answers.val, answers.on))
    return replace(answers, val=val, on=on)


def averaged(members: Sequence[Answers]) -> Answers:
    """The ensemble's answers; as logits, the logarithms of the averaged probabilities.

    Raises:
        DataError: the members did not answer to the same clips.
    """
    whole = all(member.val is not None for member in members)
    return Answers(
        f"ensemble of {len(members)}",
        _average([member.val for member in members]) if whole else None,
        _average([member.on for member in members]),
    )


def _average(outputs: Sequence[ClipOutput]) -> ClipOutput:
    first = outputs[0]
    if not all(other.clip_id.equal(first.clip_id) and other.label.equal(first.label) for other in outputs):
        raise DataError("the runs did not answer to the same clips", where="ensemble")
    chunks = zip(*(output.logits.split(CHUNK) for output in outputs), strict=True)
    return replace(first, logits=torch.cat([pooled(torch.stack(chunk)).float() for chunk in chunks]))


def beside_its_best(members: Sequence[Answers], ensemble: Answers) -> dict:
    """How far the ensemble is ahead of its best member, clip by clip, as plain values; positive where it is better.

    The best is chosen in hindsight on these very clips, by accuracy and then by cross-entropy, which favours it.
    """

    def rank(member: Answers) -> tuple[float, float]:
        figures = clip_figures(member.on)
        return figures["accuracy"].value, -figures["loss"].value

    best = max(members, key=rank)
    hits = [(answers.on.predicted == answers.on.label).double().numpy() for answers in (ensemble, best)]
    return {
        "best": best.name,
        "accuracy": paired_lead(hits[0] - hits[1]).to_dict(),
        "loss": paired_lead(nats(best.on) - nats(ensemble.on)).to_dict(),
    }
