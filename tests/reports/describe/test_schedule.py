"""What a learning rate implies, held against torch's own schedulers."""

import math

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from reports.describe.facts import Known
from reports.describe.page import describe
from reports.describe.schedule import cosine_rate, describe_cosine, solve_total


def trained(total: int, steps: int, final: float, rate: float = 1e-3):
    """An optimizer and torch's cosine after some steps."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2, 2))], lr=rate)
    scheduler = CosineAnnealingLR(optimizer, total, eta_min=final)
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
    return optimizer, scheduler


@pytest.mark.parametrize(
    ("total", "steps"), [(10, 1), (100, 33), (100, 99), (100, 100), (1000, 33), (1000, 800), (250, 3)]
)
@pytest.mark.parametrize("share", [0.01, 0.0])
def test_the_length_of_torchs_cosine_is_recovered(total, steps, share):
    optimizer, _ = trained(total, steps, share * 1e-3)
    rate = optimizer.param_groups[0]["lr"]
    solved = solve_total(rate, 1e-3, share * 1e-3, steps)
    assert solved.fits and solved.total == total
    assert cosine_rate(1e-3, share * 1e-3, steps, total) == pytest.approx(rate, rel=1e-10, abs=1e-17)


def test_the_documented_rate_is_of_a_thousand_epochs():
    solved = solve_total(0.0009973422519357583, 1e-3, 1e-5, 33)
    assert (solved.total, solved.fits) == (1000, True)
    assert 1e-5 + (1e-3 - 1e-5) * (1 + math.cos(math.pi * 33 / 1000)) / 2 == pytest.approx(
        0.0009973422519357583, rel=1e-15
    )


def test_a_rate_of_another_schedule_fits_no_whole_number():
    facts, fitting = describe_cosine(1e-3 * 0.9**33, 1e-3, epoch=33, steps=None, claims={})
    assert fitting is None
    assert facts[0].text.endswith("no whole number") and "another schedule" in facts[-1].text


@pytest.mark.parametrize("rate", [1.1e-3, -1e-4, 1e-6])
def test_a_rate_beside_the_cosine_is_said_to_be_impossible(rate):
    facts, _ = describe_cosine(rate, 1e-3, epoch=33, steps=None, claims={})
    assert "impossible" in facts[0].text


def test_epochs_counted_from_zero_are_found_and_said():
    rate = trained(200, 34, 1e-5)[0].param_groups[0]["lr"]
    facts, fitting = describe_cosine(rate, 1e-3, epoch=33, steps=None, claims={})
    assert facts[0].text == "epoch 34 of 200 (saved as epoch 33)" and fitting.total == 200


def test_where_the_rate_has_hardly_moved_nothing_exact_is_claimed():
    rate = cosine_rate(1e-3, 1e-5, 1, 2_000_000)
    facts, fitting = describe_cosine(rate, 1e-3, epoch=1, steps=None, claims={})
    assert fitting is None and "about" in facts[0].text


def test_the_initial_rate_itself_implies_nothing():
    facts, fitting = describe_cosine(1e-3, 1e-3, epoch=33, steps=None, claims={"you": 100})
    assert fitting is None and "nothing follows" in facts[0].text


def saved_with(scheduler: dict, rate: float, **rest) -> dict:
    weights = {"fc.weight": torch.zeros(2, 2)}
    group = {"lr": rate, "initial_lr": 1e-3, "params": [0]}
    optimizer = {"state": {}, "param_groups": [group]}
    return {"state_dict": weights, "optimizer": optimizer, "scheduler": scheduler, "epoch": 33, **rest}


def test_a_scheduler_that_agrees_is_believed_without_a_word(save):
    optimizer, scheduler = trained(100, 33, 1e-5)
    page = describe(save(saved_with(scheduler.state_dict(), optimizer.param_groups[0]["lr"])))
    assert page.disagreements == []
    assert page.fact("Training", "scheduler").text.startswith("T_max 100, eta_min 1e-05, last_epoch 33")


def test_a_scheduler_that_does_not_fit_the_rate_is_named(save):
    state = trained(100, 33, 1e-5)[1].state_dict()
    page = describe(save(saved_with(state, 0.0009973422519357583)))
    assert any("the scheduler's own cosine (T_max 100" in line for line in page.disagreements)
    assert any("the scheduler's last rate" in line for line in page.disagreements)
    assert any("T_max is 100" in line and "cosine over 1000 epochs" in line for line in page.disagreements)


def test_settings_that_do_not_fit_the_rate_are_named(save):
    rate = 0.0009973422519357583
    page = describe(save(saved_with({}, rate, args={"epochs": 100, "lr": 3e-4, "callbacks": {"epochs": 7}})))
    assert "not of 100" in page.fact("What the learning rate implies", "if a cosine down to lr/100").text
    assert any(line.startswith("lr is 0.0003") for line in page.disagreements)
    assert any(line.startswith("epochs is 100") for line in page.disagreements)
    assert not any("callbacks" in line for line in page.disagreements)


def test_without_an_initial_rate_nothing_is_solved(save):
    content = saved_with({}, 5e-4)
    del content["optimizer"]["param_groups"][0]["initial_lr"]
    fact = describe(save(content)).fact("What the learning rate implies", "nothing")
    assert fact.known is Known.NOT
