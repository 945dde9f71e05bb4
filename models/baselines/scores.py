"""What simple models reach on the targets of one split, item by item, so that a model is compared on the very same.

Legend: n clips, G sequences, D dynamic fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ClipBaselines:
    """Simple classifiers on one split's clips.

    Args:
        clip_id: [n] rows of the store.
        label: [n] true classes.
        predicted: name -> [n] predicted classes, from the weakest model to the strongest.
        loss: name -> mean cross-entropy in nats, of those that give probabilities.
        best: the name that is most accurate on validation.
    """

    clip_id: np.ndarray
    label: np.ndarray
    predicted: Mapping[str, np.ndarray]
    loss: Mapping[str, float]
    best: str

    @property
    def levels(self) -> dict[str, dict[str, float]]:
        """Metric (`accuracy`, `loss`) -> baseline -> value."""
        accuracy = {name: float((chosen == self.label).mean()) for name, chosen in self.predicted.items()}
        return {"accuracy": accuracy, "loss": dict(self.loss)}


@dataclass(frozen=True)
class EventBaselines:
    """Count models on one split's targets.

    Args:
        fields: [D] names of the dynamic fields.
        chained: whether the best model is given the event's earlier fields.
        sequence_id: [G] sequences that have targets in the split.
        count: [G] their targets.
        nats: name -> [G, D] cross-entropies summed over each sequence's targets, from the weakest model to the
            strongest; the last is the best count model, chosen on validation (a field).
        accuracy: name -> [D] shares of hits.
        blind: [G, D] nats of the best distribution in hindsight that never looks at its input: the split's own shares.
        uniform: [D] ln V.
    """

    fields: Sequence[str]
    chained: bool
    sequence_id: np.ndarray
    count: np.ndarray
    nats: Mapping[str, np.ndarray]
    accuracy: Mapping[str, np.ndarray]
    blind: np.ndarray
    uniform: np.ndarray

    @property
    def best(self) -> str:
        return list(self.nats)[-1]

    @property
    def levels(self) -> dict[str, dict[str, float]]:
        """Metric, as the LightningModule names it (`loss`, `joint_nll`, `ce/<field>`) -> baseline -> value."""
        given = "_given_earlier" if self.chained else ""
        mean = {name: nats.sum(axis=0) / self.count.sum() for name, nats in self.nats.items()}
        levels = {
            "loss": {name: float(ce.mean()) for name, ce in mean.items()},
            "joint_nll": {name: float(ce.sum()) for name, ce in mean.items()},
        }
        for place, field in enumerate(self.fields):
            levels[f"ce{given}/{field}"] = {name: float(ce[place]) for name, ce in mean.items()}
        return levels
