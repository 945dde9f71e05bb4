"""Mixtures of event models beside numpy: field by field, and with a chain event by event."""

import numpy as np
import pytest
import torch

from experiment.evaluation.event_mixture import measured, mixed, targets_of, tempered
from models.event_predictor.predictor import EventPredictor
from schemas.batches import EventBatch
from tests.models.event_predictor.conftest import DEFAULTS, random_batch, schema

SIZES, ROWS = (5, 3, 8), 40
HEADS = {
    "independent": {},
    "chained": {"heads": "chained", "head_width": 8},
    "copying": {"copy": ("place", "gap"), "impossible": {"kind": ("(unknown)",)}},
}


def some_told(seed: int, sharp: float = 2.0) -> list[torch.Tensor]:
    """[N, V] log p of each field; PAD is impossible."""
    rng = np.random.default_rng(seed)
    logits = [torch.from_numpy(sharp * rng.normal(size=(ROWS, size))).float() for size in SIZES]
    for field in logits:
        field[:, 0] = -torch.inf
    return [field.log_softmax(1) for field in logits]


@pytest.fixture
def target() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(9).integers(1, SIZES, (ROWS, len(SIZES))))


def probabilities(told: list[torch.Tensor]) -> list[np.ndarray]:
    return [field.double().exp().numpy() for field in told]


def of_targets(told: list[np.ndarray], target: torch.Tensor) -> np.ndarray:
    """[N, D] the probability of what came."""
    return np.stack([p[np.arange(ROWS), target[:, field]] for field, p in enumerate(told)], axis=1)


def test_independent_fields_are_mixed_each_by_itself(target):
    members = [some_told(seed) for seed in range(3)]
    found = probabilities(mixed(members, target, None))
    for field, p in enumerate(found):
        assert p == pytest.approx(np.mean([probabilities(told)[field] for told in members], axis=0), abs=1e-6)


@pytest.mark.parametrize("chain", [(0, 1, 2), (2, 0, 1)], ids=str)
def test_with_a_chain_the_nats_of_the_fields_add_up_to_the_mean_of_the_joint_probabilities(chain, target):
    members = [some_told(seed) for seed in range(3)]
    own = np.stack([of_targets(probabilities(told), target) for told in members])  # [M, N, D]
    found = probabilities(mixed(members, target, chain))
    assert of_targets(found, target).prod(1) == pytest.approx(own.prod(2).mean(0), rel=1e-4)
    # A field given those before it: members count as much as they expected of these.
    weight = np.full((3, ROWS), 1 / 3)
    for field in chain:
        told = np.stack([probabilities(each)[field] for each in members])
        assert found[field] == pytest.approx((weight[..., None] * told).sum(0), abs=1e-6)
        assert found[field].sum(1) == pytest.approx(1, abs=1e-5)
        weight = weight * own[:, :, field]
        weight /= weight.sum(0)


@pytest.mark.parametrize("chain", [None, (1, 0, 2)], ids=["independent", "chained"])
def test_members_that_say_the_same_are_the_member(chain, target):
    told = some_told(0)
    for each, alone in zip(mixed([told] * 4, target, chain), told, strict=True):
        assert torch.allclose(each, alone, atol=1e-5)


def test_an_event_that_no_member_holds_possible_leaves_the_weights_as_they_are(target):
    members, target = [some_told(seed) for seed in range(2)], target.clone()
    target[0, 0] = 0
    found = mixed(members, target, (0, 1, 2))
    assert found[0][0, 0] == -torch.inf and not any(field.isnan().any() for field in found)
    expected = np.mean([probabilities(told)[1][0] for told in members], axis=0)
    assert found[1][0].exp().numpy() == pytest.approx(expected, abs=1e-6)


def test_a_temperature_sharpens_or_flattens_a_field():
    told = some_told(3)
    found = probabilities(tempered(told, [0.5, 1.0, 3.0]))
    for p, own, temperature in zip(found, probabilities(told), (0.5, 1.0, 3.0), strict=True):
        assert p == pytest.approx(own ** (1 / temperature) / (own ** (1 / temperature)).sum(1, keepdims=True), abs=1e-6)
    assert all(a is b for a, b in zip(tempered(told, None), told, strict=True))


def net_and_batch(**options: object) -> tuple[EventPredictor, EventBatch]:
    torch.manual_seed(1)
    net = EventPredictor(schema(), **{**DEFAULTS, **options}).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    batch = random_batch(schema(), least=2 if "impossible" in options else 1)
    batch.scored[0, 2] = False
    return net, batch


@pytest.mark.parametrize("options", HEADS.values(), ids=HEADS.keys())
def test_what_is_measured_of_a_nets_distributions_is_what_it_measures_itself(options):
    net, batch = net_and_batch(**options)
    with torch.no_grad():
        told, own = net.heads.distributions(net.decode(batch), batch, net.embedding), net.evaluate(batch)
    assert all(each.exp().sum(1).numpy() == pytest.approx(1, abs=1e-5) for each in told)
    found = measured(told, targets_of(batch, net.schema), batch)
    for name in ("nll", "hit", "top5", "confidence", "scored", "sequence_id"):
        assert getattr(found, name).equal(getattr(own, name)), name
