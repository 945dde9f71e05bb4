"""The figures of all fields at once, in one metric object: one a field would cost several times the step.

A figure of a field is named `<figure>/<field>`; with chained heads, where each field is predicted given the event's
earlier ones, `<figure>_given_earlier/<field>`, so that the two kinds never stand under one name.

Legend: B windows, T events, D dynamic fields.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from schemas.batches import EventOutput

BINS = 15
"""Of the confidence, equally wide, from 0 to 1."""
WIDE = torch.float32 if torch.backends.mps.is_available() else torch.float64
"""Of sums over a whole split, under every precision; a Mac's GPU has no float64."""


def _labelled(figure: str, value_D: Tensor, fields: Sequence[str], chained: bool) -> dict[str, Tensor]:
    given = "_given_earlier" if chained else ""
    return {f"{figure}{given}/{field}": value for field, value in zip(fields, value_D, strict=True)}


class FieldMetrics(Metric):
    """Cross-entropy in nats, accuracy, top-5 accuracy and calibration error over the scored events.

    A target that is UNK counts in the cross-entropy and never as a hit. The calibration error is that of the likeliest
    value, expected over 15 equal bins of its probability (Guo et al. 2017).

    Args:
        fields: [D] names of the dynamic fields.
        chained: whether a field is predicted given the event's earlier fields.
    """

    full_state_update = False

    def __init__(self, fields: Sequence[str], chained: bool):
        super().__init__()
        self.fields, self.chained = tuple(fields), chained
        self.add_state("nll", torch.zeros(len(fields), dtype=WIDE), dist_reduce_fx="sum")
        self.add_state("top5", torch.zeros(len(fields), dtype=torch.int64), dist_reduce_fx="sum")
        # [3, D * BINS] sums of confidence, hits and events.
        self.add_state("bins", torch.zeros(3, len(fields) * BINS, dtype=WIDE), dist_reduce_fx="sum")

    def update(self, output: EventOutput) -> None:
        scored_BTD = output.scored[..., None].expand_as(output.hit)
        # Choosing the scored positions by their mask would make the device wait for their number.
        self.nll = self.nll + torch.where(scored_BTD, output.nll, 0.0).sum((0, 1), dtype=WIDE)
        self.top5 = self.top5 + (output.top5 & scored_BTD).sum((0, 1))
        bin_BTD = (output.confidence * BINS).long().clamp(0, BINS - 1)
        bin_BTD = bin_BTD + BINS * torch.arange(len(self.fields), device=bin_BTD.device)
        confidence_BTD = torch.where(scored_BTD, output.confidence, 0.0)
        counted = torch.stack([confidence_BTD, output.hit & scored_BTD, scored_BTD]).to(WIDE)
        self.bins = self.bins.scatter_add(1, bin_BTD.flatten().expand(3, -1), counted.flatten(1))

    def compute(self) -> dict[str, Tensor]:
        """Scalars on the CPU: `loss` (mean cross-entropy over the fields), `joint_nll` (their sum, nats an event), the
        means over the fields of `accuracy`, `top5` and `calibration_error`, and all of these of every field, where the
        cross-entropy is called `ce`. NaN where no event was scored.
        """
        confidence, hits, events = self.bins.cpu().unflatten(1, (-1, BINS))
        count = events.sum(1)
        ce = self.nll.cpu() / count
        shares = {
            "accuracy": hits.sum(1) / count,
            "top5": self.top5.cpu() / count,
            "calibration_error": (confidence - hits).abs().sum(1) / count,
        }
        figures = {"loss": ce.mean(), "joint_nll": ce.sum()} | {name: value.mean() for name, value in shares.items()}
        for name, value in {"ce": ce, **shares}.items():
            figures |= _labelled(name, value, self.fields, self.chained)
        return figures


class FieldLosses(Metric):
    """Training losses, averaged over the scored events: of every field, and over the fields.

    Args:
        fields: [D] names of the dynamic fields.
        chained: whether a field is predicted given the event's earlier fields.
        weights: [D] of the fields in the objective, adding up to 1.
    """

    full_state_update = False

    def __init__(self, fields: Sequence[str], chained: bool, weights: Tensor):
        super().__init__()
        self.fields, self.chained = tuple(fields), chained
        self.register_buffer("weights", weights, persistent=False)
        self.add_state("nll", torch.zeros(len(fields), dtype=WIDE), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    @property
    def names(self) -> list[str]:
        """Of the figures that `compute` returns."""
        return ["loss", "objective", *_labelled("ce", self.weights, self.fields, self.chained)]

    def update(self, nll_D: Tensor, count: Tensor) -> None:
        """Adds a batch's sums over its scored events, and their number []."""
        self.nll, self.count = self.nll + nll_D, self.count + count

    def compute(self) -> dict[str, Tensor]:
        """Scalars on the CPU: `loss` (plain mean over the fields), `objective` (weighted) and `ce` of every field."""
        ce = self.nll.cpu() / self.count.cpu()
        objective = (ce * self.weights.cpu()).sum()
        return {"loss": ce.mean(), "objective": objective} | _labelled("ce", ce, self.fields, self.chained)
