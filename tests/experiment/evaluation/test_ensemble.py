"""Averages of runs and figures of clips, beside numpy, torchmetrics and numbers made by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torchmetrics.functional import accuracy, f1_score

from callbacks.predictions import EventScores
from experiment.evaluation import ensemble
from experiment.evaluation.ensemble import Answers, averaged, beside_its_best, beside_their_mean, calibrated
from experiment.evaluation.figures import clip_figures, event_figures, event_lead, event_means, event_values
from experiment.final_table import bootstrap_interval
from experiment.prediction.views import pooled
from schemas.batches import ClipOutput
from schemas.errors import DataError


def some_output(seed: int, clips: int = 60, classes: int = 7, sharp: float = 2.0) -> ClipOutput:
    """Always the same clips; a seed answers to them."""
    label = torch.randint(classes, (clips,), generator=torch.Generator().manual_seed(99))
    noise = torch.randn(clips, classes, generator=torch.Generator().manual_seed(seed))
    logits = sharp * (noise + 0.8 * torch.nn.functional.one_hot(label, classes))
    return ClipOutput(logits, label, torch.arange(clips) + 5)


def some_answers(seed: int, **settings: float) -> Answers:
    return Answers(f"run {seed}", some_output(seed + 100, **settings), some_output(seed, **settings))


@pytest.mark.parametrize("members", [2, 3, 5, 7])
def test_an_ensemble_of_identical_members_is_the_member_to_the_bit(members, monkeypatch):
    monkeypatch.setattr(ensemble, "CHUNK", 16)
    answers = calibrated(some_answers(0))
    one, many = averaged([answers]), averaged([answers] * members)
    assert many.on.logits.equal(one.on.logits) and many.val.logits.equal(one.val.logits)
    assert torch.allclose(one.on.logits.softmax(1), answers.on.logits.softmax(1), atol=1e-6)


def test_probabilities_are_averaged():
    logits = torch.stack([some_output(seed).logits for seed in range(3)])
    p = np.exp(logits.double().numpy())
    expected = (p / p.sum(axis=2, keepdims=True)).mean(axis=0)
    assert np.allclose(pooled(logits).exp().numpy(), expected, rtol=1e-12)


def test_the_average_of_what_is_very_sure_stays_a_number():
    logits = torch.tensor([[[900.0, 0.0]], [[0.0, 900.0]]])
    assert pooled(logits).exp().tolist() == [[0.5, 0.5]]
    assert pooled(logits[:1]).tolist() == [[0.0, -900.0]]
    assert pooled(torch.full((2, 1, 2), torch.nan)).isnan().all()


def test_each_member_has_a_temperature_of_its_own_and_of_validation():
    loud = some_answers(1)
    quiet = replace(loud, val=replace(loud.val, logits=loud.val.logits / 10))
    assert loud.temperature == pytest.approx(10 * quiet.temperature, rel=1e-4)
    assert torch.allclose(calibrated(loud).on.logits * loud.temperature, loud.on.logits)
    # What is evaluated has no part in it.
    assert replace(loud, on=some_output(3)).temperature == loud.temperature


def test_without_validation_there_is_no_temperature():
    answers = replace(some_answers(1), val=None)
    assert answers.temperature is None and calibrated(answers) is answers
    assert averaged([answers, some_answers(2)]).val is None


def test_members_that_answered_to_other_clips_are_refused():
    other = replace(some_answers(1), on=replace(some_output(1), clip_id=torch.arange(60)))
    with pytest.raises(DataError, match="did not answer to the same clips"):
        averaged([some_answers(0), other])


def test_the_lead_over_the_best_member_is_paired():
    label = torch.tensor([0, 0, 1, 1])

    def saying(*classes: int) -> Answers:
        logits = 3.0 * torch.nn.functional.one_hot(torch.tensor(classes), 2)
        return Answers(f"says {classes}", None, ClipOutput(logits, label, torch.arange(4)))

    worse, better, whole = saying(1, 1, 1, 1), saying(0, 1, 1, 1), saying(0, 0, 1, 0)
    found = beside_its_best([worse, better], whole)
    assert found["best"] == better.name
    assert found["accuracy"]["value"] == 0.0 and found["loss"]["value"] == pytest.approx(0.0)
    low, high = found["accuracy"]["interval"]  # one clip is won, one lost
    assert low < 0 < high
    assert beside_its_best([worse, better], better)["loss"]["interval"] == (0.0, 0.0)


def test_the_mean_member_is_between_the_members_and_the_lead_over_it_is_paired():
    members = [some_answers(seed) for seed in range(3)]
    whole = averaged(members)
    found = beside_their_mean(members, whole)
    each = [clip_figures(member.on) for member in members]
    ensemble = clip_figures(whole.on)
    for name, sign in (("accuracy", 1), ("loss", -1)):
        mean = sum(figures[name].value for figures in each) / 3
        assert found["figures"][name]["value"] == pytest.approx(mean)
        assert found["lead"][name]["value"] == pytest.approx(sign * (ensemble[name].value - mean))
        low, high = found["figures"][name]["interval"]
        assert low < mean < high
    assert beside_their_mean([whole, whole], whole)["lead"]["loss"]["interval"] == (0.0, 0.0)


def test_figures_are_those_of_torchmetrics():
    output = some_output(4, clips=200)
    found = clip_figures(output)
    settings = {"task": "multiclass", "num_classes": 7}
    assert found["accuracy"].value == pytest.approx(float(accuracy(output.logits, output.label, **settings)))
    top5 = accuracy(output.logits, output.label, **settings, top_k=5, average="micro")
    assert found["top5"].value == pytest.approx(float(top5))
    f1 = f1_score(output.logits, output.label, **settings, average="macro")
    assert found["macro_f1"].value == pytest.approx(float(f1), abs=1e-6)
    assert found["loss"].value == pytest.approx(float(torch.nn.functional.cross_entropy(output.logits, output.label)))
    assert found["accuracy"].interval == bootstrap_interval((output.predicted == output.label).numpy())


def test_classes_that_neither_occur_nor_are_predicted_do_not_count():
    label = torch.tensor([0, 0, 2, 2, 3])
    logits = torch.nn.functional.one_hot(torch.tensor([0, 2, 2, 2, 0]), 6).float()
    logits[4] = torch.nan  # no answer
    found = clip_figures(ClipOutput(logits, label, torch.arange(5)))["macro_f1"]
    assert found.value == pytest.approx((2 / 3 + 4 / 5 + 0) / 3)


def test_the_interval_of_macro_f1_is_that_of_clips_drawn_one_by_one():
    output = some_output(4, clips=150)
    rng, draws = np.random.default_rng(1), []
    for _ in range(400):
        rows = torch.from_numpy(rng.integers(0, 150, 150))
        drawn = output.predicted[rows], output.label[rows]
        draws.append(float(f1_score(*drawn, task="multiclass", num_classes=7, average="macro")))
    assert clip_figures(output)["macro_f1"].interval == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.02)


def test_figures_of_events_are_the_splits_own_with_intervals_over_sequences():
    nll = torch.rand(40, 2, generator=torch.Generator().manual_seed(0))
    scores = EventScores(nll, nll < 0.4, nll, torch.arange(40) // 4)
    metrics = {"loss": 1.5, "joint_nll": 3.0, "accuracy": 0.5, "top5": 0.75, "ce/activity": 0.7}
    found = event_figures(scores, metrics)
    assert {name: figure.value for name, figure in found.items()} == {n: v for n, v in metrics.items() if "/" not in n}
    low, high = found["loss"].interval
    assert found["joint_nll"].interval == pytest.approx((2 * low, 2 * high)) and found["top5"].interval is None


def test_an_answer_to_events_is_ahead_by_more_hits_and_fewer_nats():
    sequence = torch.arange(40) // 4

    def answer(nll: float, hit: bool) -> dict[str, torch.Tensor]:
        shape = (40, 2)
        return event_values(EventScores(torch.full(shape, nll), torch.full(shape, hit), torch.ones(shape), sequence))

    good, bad = answer(0.5, True), answer(0.75, False)
    found = event_lead(good, bad, sequence)
    assert {name: (one.value, one.interval) for name, one in found.items()} == {
        "accuracy": (1.0, (1.0, 1.0)),
        "joint_nll": (0.5, (0.5, 0.5)),
    }
    means = event_means(good, sequence)
    assert (means["accuracy"].value, means["joint_nll"].value) == (1.0, 1.0)
