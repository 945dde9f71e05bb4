"""Several runs as one classifier: their calibrated probabilities averaged, with equal weights or learned ones.

Members may differ in seed, model or channels (joint, bone and motion streams); data and split must be the same.
Legend: M members, N clips, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from experiment.evaluation.figures import clip_figures, nats, paired_lead
from experiment.evaluation.member_weights import fit_weights
from experiment.evaluation.temperature import fit_temperature
from experiment.prediction.views import pooled
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


def learned_weights(members: Sequence[Answers]) -> Tensor:
    """[M] with which the members' mixture has the lowest cross-entropy on validation; they add up to 1.

    Args:
        members: of which each answered to validation clips.

    Raises:
        DataError: a member has no number for a validation clip, or they did not answer to the same ones.
    """
    for member in members:
        if not member.val.logits.isfinite().all():
            what = "it has no number for some validation clip, so that it cannot be weighed"
            raise DataError(what, where=member.name, remedy="Leave it out, or use weights=equal.")
    _refuse_other_clips([member.val for member in members])
    return fit_weights(torch.stack([-torch.from_numpy(nats(member.val)) for member in members]))


def averaged(members: Sequence[Answers], weight_M: Tensor | None = None) -> Answers:
    """The ensemble's answers; as logits, the logarithms of the averaged probabilities.

    Args:
        weight_M: how much each member counts; None: all the same.

    Raises:
        DataError: the members did not answer to the same clips.
    """
    whole = all(member.val is not None for member in members)
    return Answers(
        f"ensemble of {len(members)}",
        _average([member.val for member in members], weight_M) if whole else None,
        _average([member.on for member in members], weight_M),
    )


def _average(outputs: Sequence[ClipOutput], weight_M: Tensor | None) -> ClipOutput:
    _refuse_other_clips(outputs)
    chunks = zip(*(output.logits.split(CHUNK) for output in outputs), strict=True)
    return replace(outputs[0], logits=torch.cat([pooled(torch.stack(chunk), weight_M).float() for chunk in chunks]))


def _refuse_other_clips(outputs: Sequence[ClipOutput]) -> None:
    first = outputs[0]
    if not all(other.clip_id.equal(first.clip_id) and other.label.equal(first.label) for other in outputs):
        raise DataError("the runs did not answer to the same clips", where="ensemble")


def beside_their_mean(members: Sequence[Answers], ensemble: Answers) -> dict:
    """The mean of the members' figures, and how far the ensemble is ahead of it clip by clip, as plain values.

    Of members that differ in their seed alone the mean is what one such run is to be expected to reach.
    """
    hits = torch.stack([(one.on.predicted == one.on.label).double() for one in members]).mean(0).numpy()
    each = np.mean([nats(one.on) for one in members], axis=0)
    ahead = (ensemble.on.predicted == ensemble.on.label).double().numpy() - hits
    figures = {"accuracy": hits, "loss": each}
    leads = {"accuracy": ahead, "loss": each - nats(ensemble.on)}
    return {
        "figures": {name: paired_lead(values).to_dict() for name, values in figures.items()},
        "lead": {name: paired_lead(values).to_dict() for name, values in leads.items()},
    }


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
