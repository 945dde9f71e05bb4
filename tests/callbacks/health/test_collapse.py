"""Predictions that hardly depend on their inputs are called that; rare, certain or unpredictable ones are not."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_runs import Clips, Small, fit
from torch.nn.functional import one_hot

from callbacks.health.collapse import Collapse
from callbacks.predictions import EventScores, KeepEventScores
from schemas.batches import ClipOutput

pytestmark = pytest.mark.filterwarnings("ignore")


class Predicts(Small):
    """Predicts one class in the epochs at which it has collapsed, else the labels."""

    def __init__(self, collapsed, called: int = 1, share: float = 1.0):
        super().__init__()
        self.collapsed, self.called, self.share = collapsed, called, share

    def validation_step(self, batch, batch_index):
        super().validation_step(batch, batch_index)
        called = batch.label.clone()
        if self.collapsed(self.current_epoch + 1):
            called[: round(self.share * len(called))] = self.called
        return ClipOutput(one_hot(called, 3).float(), batch.label, batch.clip_id)


def found(module, max_epochs=6, data=None, **settings) -> list[tuple[int, int | None]]:
    check = Collapse()
    fit(module, check, data=data or Clips(train=1, val=6), max_epochs=max_epochs, **settings)
    found.last = next(iter(check.found.values()), None)
    return [(finding.epoch, finding.until) for finding in check.found.values()]


def test_one_class_for_three_validations_in_a_row_is_named_with_its_share():
    data = Clips(train=1, val=6)
    data.class_counts = np.array([3, 9, 4])
    assert found(Predicts(lambda epoch: True), data=data) == [(3, None)]
    assert (
        "100% of 48 validation clips are predicted to be 'nod', train's most frequent class; 33% are" in found.last.saw
    )
    assert found.last.severity == "warning"
    found(Predicts(lambda epoch: True, called=2), data=data)
    assert "'point'; 33% are" in found.last.saw


def test_it_is_gone_when_other_classes_are_predicted():
    assert found(Predicts(lambda epoch: epoch < 5)) == [(3, 5)]


@pytest.mark.parametrize(
    ("collapsed", "epochs", "expected"),
    [
        (lambda epoch: epoch < 3, 6, []),  # a warm-up
        (lambda epoch: epoch % 2 == 1, 6, []),
        (lambda epoch: epoch == 6, 6, [(6, None)]),  # and so the run ends
        (lambda epoch: True, 1, [(1, None)]),
        (lambda epoch: True, 2, [(2, None)]),
        (lambda epoch: False, 6, []),
    ],
)
def test_it_takes_three_in_a_row_or_the_runs_last_validation(collapsed, epochs, expected):
    assert found(Predicts(collapsed), max_epochs=epochs) == expected


def test_the_last_validation_may_come_before_the_last_epoch():
    assert found(Predicts(lambda epoch: True), max_epochs=5, check_val_every_n_epoch=3) == [(3, None)]


def test_a_class_that_is_that_frequent_may_be_predicted_that_often():
    data = Clips(train=1, val=6)
    for batch in data.parts["val"]:
        batch.label[1:] = 1
    assert found(Predicts(lambda epoch: True), data=data) == []


@pytest.mark.parametrize(("share", "accused"), [(1.0, True), (0.75, False)])
def test_most_is_not_nearly_all(share, accused):
    assert bool(found(Predicts(lambda epoch: True, share=share))) == accused


def test_of_fewer_than_20_clips_nothing_is_said():
    assert found(Predicts(lambda epoch: True), data=Clips(train=1, val=2)) == []


def scores(n: int = 400) -> EventScores:
    """Six fields: one that sees, one that is constant and wrong, one constant and sure, one constant and mostly right,
    a noise field at its best constant that wavers, and one whose logits are equal but for rounding."""
    rng = np.random.default_rng(0)
    confidence = np.stack(
        [
            rng.uniform(0.3, 0.9, n),
            np.full(n, 0.4),
            np.full(n, 0.9999),
            np.full(n, 0.98),
            0.25 + 0.005 * rng.normal(size=n),
            0.01 + 1e-8 * rng.normal(size=n),
        ],
        axis=1,
    )
    nll = np.tile([0.7, 1.3, 0.001, 0.1, 1.39, 4.6], (n, 1))
    right = [0.6, 0.4, 1.0, 0.995, 0.25, 0.01]
    hit = rng.random((n, 6)) < right
    tensors = [torch.tensor(nll), torch.tensor(hit), torch.tensor(confidence)]
    return EventScores(*tensors, sequence_id=torch.arange(n))


FIELDS = ("sees", "blind", "sure", "right", "noise", "rounding")


def of_events(blind: dict[str, float], kept: EventScores) -> Collapse:
    keeper, check = KeepEventScores("val/loss", True), Collapse()
    keeper.val, check.blind = kept, blind
    trainer = SimpleNamespace(
        loggers=[],
        sanity_checking=False,
        fast_dev_run=False,
        max_epochs=1,
        current_epoch=0,
        is_global_zero=False,
        callbacks=[keeper, check],
        datamodule=SimpleNamespace(schema=SimpleNamespace(dynamic_names=FIELDS)),
    )
    check.on_validation_epoch_end(trainer, None)
    return check


def test_fields_with_one_confidence_for_every_event_are_named_in_one_finding():
    (finding,) = of_events({}, scores()).found.values()
    assert finding.key == "blind, rounding" and "blind has the same confidence, 0.4000" in finding.saw
    assert "for all of 400 validation events (1.300 nats; accuracy 0.4" in finding.saw


def test_a_field_below_its_blind_level_is_not_accused():
    blind = {"sees": 0.7, "blind": 1.5, "sure": 0.001, "right": 0.1, "noise": 1.39, "rounding": 4.6}
    (finding,) = of_events(blind, scores()).found.values()
    assert finding.key == "right, rounding" and "4.600 nats, 4.600 without any input" in finding.saw


def test_of_few_events_nothing_is_said():
    few = scores(10)
    assert of_events({}, few).found == {}


def test_a_module_whose_predictions_nobody_keeps_is_left_alone():
    check = Collapse()
    trainer = SimpleNamespace(loggers=[], sanity_checking=False, fast_dev_run=False, callbacks=[check], max_epochs=1)
    trainer.current_epoch = 0
    check.on_validation_epoch_end(trainer, None)
    assert check.found == {}
