"""Predictions that hardly depend on what is predicted from.

Legend: n clips or scored events, K classes, D dynamic fields.
"""

from collections.abc import Mapping

import lightning as L
import torch

from callbacks.health.several import SeveralCheck
from callbacks.predictions import EventScores, kept_of
from schemas.batches import ClipOutput
from schemas.findings import Finding

IN_A_ROW = 3
"""Validations: during a warm-up a healthy net may predict one class for an epoch or two."""
LEAST = 20
"""Clips or events; of fewer nothing is said."""
LEAST_CLASSES = 2
ONE_CLASS = 0.95
"""The share of predictions that is nearly all."""
RIGHTLY = 0.8
"""Times the predicted share: a class that is truly so frequent may be predicted so often."""
CONSTANT = 1e-3
"""The standard deviation of a field's confidence, as a share of its mean. A net that cannot see its inputs stays below
1e-5; one that has learned that there is nothing to see stays above 1e-2."""
NOT_BLIND = 0.98
"""Times the blind level: a field with less nats than that depends on the inputs."""
SURE = 0.05
"""Nats: below, a field is predicted well, constant or not."""
RIGHT = 0.99
"""The accuracy from which constant confidence is no fault, where no blind level is known."""


class Collapse(SeveralCheck):
    """Reports validation predictions that are nearly constant: of clips one class, of events a field's distribution.

    It speaks after three such validations in a row, or after the run's last one.

    Attributes:
        blind: by field the nats, on validation, of the best distribution that sees no input; set before the fit.
            Without it a field's constant confidence is enough, unless it is nearly always right.
    """

    name = "collapse"

    def __init__(self):
        super().__init__()
        self.blind: Mapping[str, float] = {}
        self._in_a_row: dict[str, int] = {}
        self._seen: dict[str, str] = {}
        self._epoch = 0

    def state_dict(self) -> dict:
        return {"found": super().state_dict(), "in_a_row": self._in_a_row, "seen": self._seen, "epoch": self._epoch}

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict["found"])
        self._in_a_row, self._seen, self._epoch = (state_dict[name] for name in ("in_a_row", "seen", "epoch"))

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.sanity_checking or trainer.fast_dev_run:
            return
        kept = kept_of(trainer)
        if isinstance(kept, ClipOutput):
            self._seen = _one_class(kept, trainer.datamodule)
        elif isinstance(kept, EventScores):
            self._seen = _constant_fields(kept, _field_names(trainer.datamodule, kept.nll.shape[1]), self.blind)
        self._epoch = trainer.current_epoch + 1
        self._in_a_row = {name: self._in_a_row.get(name, 0) + 1 for name in self._seen}
        self._say(trainer, IN_A_ROW if trainer.max_epochs != 1 else 1)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._say(trainer, 1)

    def _say(self, trainer: L.Trainer, in_a_row: int) -> None:
        due = [name for name in self._seen if self._in_a_row[name] >= in_a_row]
        self.update(trainer, due, self._finding)

    def _finding(self, new: list[str], key: str) -> Finding:
        saw = "; ".join(self._seen[name] for name in new)
        remedy = "Do inputs reach the net, do targets belong to them? Try a lower optimizer.lr or class weights."
        return Finding(self.name, f"{saw}.", remedy, epoch=self._epoch, key=key)


def _one_class(output: ClipOutput, datamodule: object) -> dict[str, str]:
    """`class` and what is wrong, where nearly all clips are called one class that is not so frequent."""
    n, K = output.logits.shape
    if n < LEAST or K < LEAST_CLASSES or not bool(output.logits.isfinite().all()):
        return {}
    predicted_K = torch.bincount(output.logits.argmax(dim=1), minlength=K) / n
    most = int(predicted_K.argmax())
    share, true = float(predicted_K[most]), float((output.label == most).float().mean())
    if share < ONE_CLASS or true >= RIGHTLY * share:
        return {}
    names = getattr(getattr(datamodule, "schema", None), "classes", None)
    counts = getattr(datamodule, "class_counts", None)
    majority = ", train's most frequent class" if counts is not None and int(counts.argmax()) == most else ""
    name = names[most] if names is not None else f"class {most}"
    saw = f"{share:.0%} of {n:,} validation clips are predicted to be {name!r}{majority}; {true:.0%} are"
    return {"class": saw}


def _field_names(datamodule: object, fields: int) -> list[str]:
    names = getattr(getattr(datamodule, "schema", None), "dynamic_names", None)
    return list(names) if names is not None else [f"field {number}" for number in range(fields)]


def _constant_fields(scores: EventScores, names: list[str], blind: Mapping[str, float]) -> dict[str, str]:
    """Fields whose confidence is the same for every event and that cost as much as a blind guess, and the figures."""
    n = len(scores.nll)
    if n < LEAST:
        return {}
    mean_D, std_D = scores.confidence.double().mean(dim=0), scores.confidence.double().std(dim=0)
    nll_D, accuracy_D = scores.nll.double().mean(dim=0), scores.hit.double().mean(dim=0)
    seen = {}
    for place, name in enumerate(names):
        nll, accuracy, mean, std = (float(x[place]) for x in (nll_D, accuracy_D, mean_D, std_D))
        level = blind.get(name)
        as_good_as_blind = accuracy < RIGHT if level is None else nll >= NOT_BLIND * level
        if nll >= SURE and std < CONSTANT * mean and as_good_as_blind:
            against = "" if level is None else f", {level:.3f} without any input"
            seen[name] = (
                f"{name} has the same confidence, {mean:.4f} with a standard deviation of {std:.1e}, for all of {n:,} "
                f"validation events ({nll:.3f} nats{against}; accuracy {accuracy:.3f})"
            )
    return seen
