"""Verdicts on clips and events: models that are blind, weak and good, and what may not be compared."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from callbacks.judging import judge_clips, judge_events
from callbacks.predictions import EventScores
from models.baselines.scores import ClipBaselines, EventBaselines
from models.baselines.verdict import ABOVE_CHANCE, AT_CHANCE, BEATS_BEST
from schemas.batches import ClipOutput

CLASSES = tuple("abcde")


def output(predicted: np.ndarray, label: np.ndarray) -> ClipOutput:
    logits = torch.nn.functional.one_hot(torch.from_numpy(predicted), len(CLASSES)).float()
    return ClipOutput(logits, torch.from_numpy(label), torch.arange(len(label)))


def partly_right(label: np.ndarray, share: float, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.where(generator.random(len(label)) < share, label, generator.integers(0, len(CLASSES), len(label)))


@pytest.fixture
def label() -> np.ndarray:
    return np.random.default_rng(0).choice(5, 400, p=[0.4, 0.3, 0.1, 0.1, 0.1])


@pytest.fixture
def baselines(label) -> ClipBaselines:
    predicted = {"majority class": np.zeros(400, int), "linear ridge": partly_right(label, 0.5, 1)}
    return ClipBaselines(np.arange(400), label, predicted, {"class prior": 1.4}, "linear ridge")


@pytest.mark.parametrize(
    ("share", "level"), [(0.0, AT_CHANCE), (0.4, ABOVE_CHANCE), (0.9, BEATS_BEST)], ids=["blind", "weak", "good"]
)
def test_clips_get_the_verdict_that_they_deserve(share, level, label, baselines):
    verdict = judge_clips(output(partly_right(label, share, 2), label), baselines, CLASSES, "test", 1, True)
    assert verdict.level == level
    assert verdict.overall.value == pytest.approx((partly_right(label, share, 2) == label).mean())
    assert verdict.overall.chance.value == pytest.approx((label == 0).mean())
    assert verdict.overall.best.value == pytest.approx(baselines.levels["accuracy"]["linear ridge"])


@pytest.mark.parametrize("always", range(5))
def test_one_answer_for_all_clips_is_chance_and_knows_no_class(always, label, baselines):
    # Also the class that is most frequent in this split though not in train, and the class itself, of which all
    # clips are "right".
    verdict = judge_clips(output(np.full(400, always), label), baselines, CLASSES, "test", 1, True)
    assert verdict.level == AT_CHANCE
    assert {part.level for part in verdict.parts.values()} == {AT_CHANCE}
    assert verdict.parts["abcde"[always]].value == pytest.approx(0.5)


def test_a_class_is_judged_by_balanced_accuracy(label, baselines):
    predicted = partly_right(label, 0.9, 3)
    part = judge_clips(output(predicted, label), baselines, CLASSES, "test", 1, True).parts["c"]
    found, false = (predicted[label == 2] == 2).mean(), (predicted[label != 2] == 2).mean()
    assert part.value == pytest.approx((found + 1 - false) / 2)
    assert part.chance.better_by == pytest.approx((found - false) / 2)
    assert part.level in (ABOVE_CHANCE, BEATS_BEST)


def test_clips_are_paired_by_their_id_and_not_by_their_place(label, baselines):
    given = output(partly_right(label, 0.5, 9), label)
    order = torch.from_numpy(np.random.default_rng(0).permutation(400))
    shuffled = ClipOutput(given.logits[order], given.label[order], given.clip_id[order])
    plain, verdict = (judge_clips(o, baselines, CLASSES, "test", 1, True) for o in (given, shuffled))
    assert plain.to_dict() == verdict.to_dict()


def test_a_part_of_the_clips_has_no_verdict(label, baselines):
    right = output(label, label)
    part = ClipOutput(right.logits[:100], right.label[:100], right.clip_id[:100])
    assert judge_clips(part, baselines, CLASSES, "test", 1, True) is None


def test_the_strongest_baseline_is_that_of_this_split(label, baselines):
    # Validation may have chosen another one: who beats the best must beat them all.
    mistaken = replace(baselines, best="majority class")
    verdict = judge_clips(output(partly_right(label, 0.3, 2), label), mistaken, CLASSES, "test", 1, True)
    assert verdict.overall.best.baseline == "linear ridge" and verdict.level != BEATS_BEST


def test_a_logit_that_is_no_number_is_no_hit(label, baselines):
    right = output(label, label)
    right.logits[torch.arange(400), right.label] = float("nan")
    verdict = judge_clips(right, baselines, CLASSES, "test", 1, True)
    assert verdict.overall.value == 0 and verdict.level == AT_CHANCE


def test_dead_models_are_never_above_chance():
    # 300 models that answer at random with tastes of their own, over 20 looks each.
    called = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        label = generator.choice(5, 200, p=generator.dirichlet(np.full(5, 3.0)))
        predicted = generator.choice(5, 200, p=generator.dirichlet(np.ones(5)))
        known = ClipBaselines(np.arange(200), label, {"majority class": np.zeros(200, int)}, {}, "majority class")
        verdict = judge_clips(output(predicted, label), known, CLASSES, "validation", 20, False)
        called += verdict.level != AT_CHANCE or any(part.level != AT_CHANCE for part in verdict.parts.values())
    assert called == 0


SEQUENCES, EVENTS = 60, 20


@pytest.fixture
def event_baselines() -> EventBaselines:
    """Two fields: four values equally often, and one that its predecessor gives away (0.1 nats)."""
    per = np.full((SEQUENCES, 2), float(EVENTS))
    blind = per * [math.log(4), math.log(2)]
    return EventBaselines(
        fields=("plain", "easy"),
        chained=False,
        sequence_id=np.arange(SEQUENCES),
        count=np.full(SEQUENCES, EVENTS),
        nats={"uniform": per * [math.log(5), math.log(3)], "unigram": blind * 1.01, "best": per * [1.3, 0.1]},
        accuracy={},
        blind=blind,
        uniform=np.log([5, 3]),
    )


def scores(plain: float, easy: float, sequences: int = SEQUENCES) -> EventScores:
    generator = torch.Generator().manual_seed(0)
    nll = torch.tensor([plain, easy]) + 0.02 * torch.randn(sequences * EVENTS, 2, generator=generator)
    nothing = torch.zeros(len(nll), 2)
    return EventScores(nll, nothing > 0, nothing, torch.arange(sequences).repeat_interleave(EVENTS))


@pytest.mark.parametrize(
    ("plain", "easy", "levels"),
    [
        (1.5, 1.0, (AT_CHANCE, AT_CHANCE, AT_CHANCE)),
        (1.386, 0.3, (ABOVE_CHANCE, AT_CHANCE, ABOVE_CHANCE)),
        (1.0, 0.05, (BEATS_BEST, BEATS_BEST, BEATS_BEST)),
    ],
)
def test_events_and_each_of_their_fields_get_a_verdict(plain, easy, levels, event_baselines):
    verdict = judge_events(scores(plain, easy), event_baselines, "test", 1, True)
    assert (verdict.level, verdict.parts["plain"].level, verdict.parts["easy"].level) == levels
    assert verdict.overall.value == pytest.approx((plain + easy) / 2, abs=0.002)
    assert verdict.overall.best.value == pytest.approx(0.7)


def test_unigram_counts_are_chance_even_where_they_beat_those_of_train(event_baselines):
    # A model that knows this split's shares a little better than train's own shares: still blind.
    verdict = judge_events(scores(math.log(4) + 0.004, math.log(2) + 0.004), event_baselines, "test", 1, True)
    assert verdict.level == AT_CHANCE


def test_other_targets_than_the_baselines_have_no_verdict(event_baselines):
    assert judge_events(scores(1.0, 0.1, SEQUENCES - 1), event_baselines, "test", 1, True) is None
