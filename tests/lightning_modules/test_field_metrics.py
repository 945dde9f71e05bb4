"""The vectorised figures against torchmetrics' own classes, one a field, and against plain counting."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError

from lightning_modules.field_metrics import FieldLosses, FieldMetrics
from schemas.batches import EventOutput

SIZES = {"gap": 6, "carrier": 16, "dest": 40}
UNK = 0  # among the V values of a field here: PAD is never predicted and has no logit


def scored_output(seed: int = 0, windows: int = 40, events: int = 10) -> tuple[EventOutput, dict, dict]:
    """An output with nonsense where not scored, and the logits [N, V] and targets [N] of each field's scored events."""
    generator = torch.Generator().manual_seed(seed)
    shape = (windows, events)
    scored = torch.rand(shape, generator=generator) < 0.7
    parts, logits, targets = [], {}, {}
    for name, values in SIZES.items():
        target = torch.randint(0, values, shape, generator=generator)
        score = 2 * torch.randn(*shape, values, generator=generator)
        score.scatter_add_(-1, target[..., None], torch.full((*shape, 1), 2.0))
        known, ranked = target != UNK, score.argsort(dim=-1, descending=True)
        nll = cross_entropy(score.flatten(0, 1), target.flatten(), reduction="none").view(shape)
        hit = (ranked[..., 0] == target) & known
        top5 = (ranked[..., :5] == target[..., None]).any(-1) & known
        confidence = score.softmax(-1).amax(-1)
        parts.append([nll.where(scored, torch.inf), hit | ~scored, top5 | ~scored, confidence.where(scored, torch.nan)])
        logits[name], targets[name] = score[scored], target[scored]
    stacked = (torch.stack(part, dim=-1) for part in zip(*parts, strict=True))
    return EventOutput(*stacked, scored, torch.arange(windows)), logits, targets


def figures_of(*outputs: EventOutput, chained: bool = False) -> dict[str, float]:
    metrics = FieldMetrics(list(SIZES), chained)
    for output in outputs:
        metrics.update(output)
    return {name: float(value) for name, value in metrics.compute().items()}


def rows(output: EventOutput, first: int, last: int) -> EventOutput:
    return EventOutput(**{name: value[first:last] for name, value in vars(output).items()})


def test_figures_are_those_of_one_torchmetrics_object_a_field():
    output, logits, targets = scored_output()
    figures = figures_of(output)
    for name, values in SIZES.items():
        score, target = logits[name], targets[name]
        assert figures[f"ce/{name}"] == pytest.approx(float(cross_entropy(score, target)), rel=1e-5)
        # A target that cannot be matched is torchmetrics' way to say that an UNK is never a hit.
        matchable = torch.where(target == UNK, values, target)
        wide = torch.cat([score, torch.full((len(score), 1), -torch.inf)], dim=1)
        for figure, k in (("accuracy", 1), ("top5", 5)):
            reference = MulticlassAccuracy(values + 1, top_k=k, average="micro")(wide, matchable)
            assert figures[f"{figure}/{name}"] == pytest.approx(float(reference), abs=1e-6)
        reference = MulticlassCalibrationError(values + 1, n_bins=15, norm="l1")(wide.softmax(-1), matchable)
        assert figures[f"calibration_error/{name}"] == pytest.approx(float(reference), abs=1e-5)


def test_an_unknown_target_counts_in_cross_entropy_only():
    output, _, targets = scored_output()
    share = np.mean([float((target == UNK).float().mean()) for target in targets.values()])
    sure = EventOutput(
        nll=torch.ones_like(output.nll),
        hit=torch.stack([torch.ones_like(output.scored)] * 3, dim=-1),
        top5=output.hit,
        confidence=torch.ones_like(output.nll),
        scored=output.scored,
        sequence_id=output.sequence_id,
    )
    for number, name in enumerate(SIZES):
        sure.hit[..., number][output.scored] = targets[name] != UNK
    figures = figures_of(sure)
    assert figures["loss"] == pytest.approx(1.0)
    assert figures["accuracy"] == pytest.approx(1 - share)
    assert figures["calibration_error"] == pytest.approx(share)


def test_figures_over_the_fields_are_sums_and_means_of_theirs():
    figures = figures_of(scored_output()[0])
    cross_entropies = [figures[f"ce/{name}"] for name in SIZES]
    assert figures["joint_nll"] == pytest.approx(np.sum(cross_entropies))
    assert figures["loss"] == pytest.approx(np.mean(cross_entropies))
    for figure in ("accuracy", "top5", "calibration_error"):
        assert figures[figure] == pytest.approx(np.mean([figures[f"{figure}/{name}"] for name in SIZES]))


def test_batches_and_merged_objects_give_the_figures_of_the_whole():
    output = scored_output()[0]
    whole, parts = figures_of(output), [rows(output, 0, 3), rows(output, 3, 25), rows(output, 25, 40)]
    assert figures_of(*parts) == pytest.approx(whole, rel=1e-6)
    one, other = FieldMetrics(list(SIZES), False), FieldMetrics(list(SIZES), False)
    one.update(parts[0]), one.update(parts[1]), other.update(parts[2])
    one.merge_state(other)
    assert {name: float(value) for name, value in one.compute().items()} == pytest.approx(whole, rel=1e-6)


def test_a_batch_with_nothing_scored_changes_nothing():
    output = scored_output()[0]
    unscored = rows(output, 0, 9)
    unscored.scored = torch.zeros_like(unscored.scored)
    assert figures_of(output, unscored) == figures_of(output)


def test_chained_and_independent_figures_of_a_field_share_no_name():
    output = scored_output()[0]
    independent, chained = figures_of(output), figures_of(output, chained=True)
    assert set(independent) & set(chained) == {"loss", "joint_nll", "accuracy", "top5", "calibration_error"}
    for figure in ("ce", "accuracy", "top5", "calibration_error"):
        assert chained[f"{figure}_given_earlier/dest"] == independent[f"{figure}/dest"]


def test_long_sums_keep_small_terms():
    """In float32 a hundred thousand nats would swallow a thousandth."""
    shape = (1, 1, 1)
    large, small = torch.full(shape, 1e5), torch.full(shape, 1e-3)
    metrics, yes = FieldMetrics(["only"], False), torch.ones(shape).bool()
    for nll in (large, *[small] * 1000):
        metrics.update(EventOutput(nll, yes, yes, torch.ones(shape), yes[..., 0], torch.zeros(1)))
    assert float(metrics.compute()["ce/only"]) == pytest.approx((1e5 + 1) / 1001, rel=1e-8)


@pytest.mark.parametrize("confidence, bin_of_fifteen", [(0.0, 0), (0.5, 7), (1.0, 14)])
def test_every_confidence_has_its_bin(confidence, bin_of_fifteen):
    metrics, yes = FieldMetrics(["only"], False), torch.ones(1, 1, 1).bool()
    metrics.update(EventOutput(torch.ones(1, 1, 1), yes, yes, yes * confidence, yes[..., 0], torch.zeros(1)))
    assert metrics.bins[2].nonzero().item() == bin_of_fifteen


def test_losses_are_means_over_events_and_weighted_in_the_objective():
    losses = FieldLosses(list(SIZES), chained=True, weights=torch.tensor([0.5, 0.25, 0.25]))
    losses.update(torch.tensor([2.0, 4.0, 8.0]), torch.tensor(2))
    losses.update(torch.zeros(3), torch.tensor(0))
    losses.update(torch.tensor([4.0, 2.0, 1.0]), torch.tensor(1))
    figures = {name: float(value) for name, value in losses.compute().items()}
    assert list(figures) == losses.names
    assert figures == pytest.approx(
        {
            "loss": 7 / 3,
            "objective": 2.25,
            "ce_given_earlier/gap": 2,
            "ce_given_earlier/carrier": 2,
            "ce_given_earlier/dest": 3,
        }
    )
