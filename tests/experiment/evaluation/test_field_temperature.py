"""The temperature of a field, batch by batch, beside the one that is fitted on all logits at once."""

import math

import pytest
import torch
import torch.nn.functional as F

from experiment.evaluation.field_temperature import FieldTemperature
from experiment.evaluation.temperature import HIGHEST, LOWEST, fit_temperature


def some_logits(sharp: float, values: int = 9, events: int = 600) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    target = torch.randint(values, (events,))
    return sharp * (torch.randn(events, values) + 1.5 * F.one_hot(target, values)), target


def fitted(logits: torch.Tensor, target: torch.Tensor, batch: int = 64) -> FieldTemperature:
    fit = FieldTemperature()
    for rows in zip(logits.log_softmax(1).split(batch), target.split(batch), strict=True):
        fit.update(*rows)
    return fit


@pytest.mark.parametrize("sharp", [0.3, 1.0, 2.0, 7.0])
def test_it_is_the_temperature_of_all_logits_at_once(sharp):
    logits, target = some_logits(sharp)
    found, exact = fitted(logits, target), fit_temperature(logits, target)
    assert found.value == pytest.approx(exact, rel=5e-3) and found.events == 600

    def cost(temperature: float) -> float:
        return float(F.cross_entropy(logits.double() / temperature, target))

    assert cost(found.value) == pytest.approx(cost(exact), abs=1e-5)


def test_impossible_values_have_no_part_in_it():
    logits, target = some_logits(2.0)
    barred = torch.cat([torch.full((600, 3), -torch.inf), logits], dim=1)
    assert fitted(barred, target + 3).value == pytest.approx(fitted(logits, target).value, rel=1e-6)


def test_the_best_that_there_is_may_be_a_bound():
    target = torch.arange(60) % 3
    right = F.one_hot(target, 3).float()
    assert fitted(right, target).value == LOWEST
    assert fitted(-right, target).value == HIGHEST


def test_there_is_none_without_events_or_for_an_event_that_was_held_to_be_impossible():
    assert FieldTemperature().value is None
    logits, target = some_logits(1.0)
    logits[3, target[3]] = -torch.inf
    assert fitted(logits, target).value is None
    logits[3, target[3]] = math.nan
    assert fitted(logits, target).value is None
