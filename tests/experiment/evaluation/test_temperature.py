"""The temperature beside closed forms and a grid."""

import math

import pytest
import torch

from experiment.evaluation.temperature import HIGHEST, LOWEST, fit_temperature


@pytest.mark.parametrize(("right", "gap"), [(0.75, 4.0), (0.6, 1.0), (0.9, 2.0)])
def test_two_classes_that_stand_a_fixed_way_apart(right, gap):
    """Then the best probability is the share that is right: T = gap / ln(right / wrong)."""
    label = torch.arange(1000) >= round(1000 * right)
    logits = torch.tensor([gap, 0.0]).repeat(1000, 1)
    expected = gap / math.log(right / (1 - right))
    assert fit_temperature(logits, label.long()) == pytest.approx(expected, rel=1e-6)


def test_a_grid_finds_nothing_better():
    torch.manual_seed(0)
    label = torch.randint(5, (400,))
    logits = 3.0 * torch.randn(400, 5) + 4.0 * torch.nn.functional.one_hot(label, 5)
    found = fit_temperature(logits, label)

    def cost(temperature: float) -> float:
        return float(torch.nn.functional.cross_entropy(logits.double() / temperature, label))

    grid = [0.1 * 1.01**step for step in range(500)]
    best = min(grid, key=cost)
    assert cost(found) <= cost(best) and found == pytest.approx(best, rel=0.01)


def test_logits_that_are_scaled_take_as_much_more_and_shifts_do_not_matter():
    torch.manual_seed(1)
    label = torch.randint(3, (200,))
    logits = torch.randn(200, 3, dtype=torch.float64) + 2 * torch.nn.functional.one_hot(label, 3)
    one = fit_temperature(logits, label)
    assert fit_temperature(3 * logits + torch.randn(200, 1), label) == pytest.approx(3 * one, rel=1e-6)


def test_what_has_no_best_temperature_ends_at_a_bound():
    label = torch.tensor([0, 1, 0, 1])
    right = torch.nn.functional.one_hot(label, 2).float()
    assert fit_temperature(right, label) == LOWEST
    assert fit_temperature(-right, label) == HIGHEST


@pytest.mark.parametrize("logits", [torch.zeros(0, 3), torch.tensor([[0.0, math.nan, 1.0]])], ids=["none", "nan"])
def test_what_cannot_be_fitted_is_refused(logits):
    with pytest.raises(ValueError, match="needs clips and finite logits"):
        fit_temperature(logits, torch.zeros(len(logits), dtype=torch.int64))
