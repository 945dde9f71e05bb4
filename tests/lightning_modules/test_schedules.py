"""Learning-rate schedules against torch's own schedulers and the documented rate."""

import warnings
from itertools import pairwise

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from lightning_modules.schedules import Schedule, constant, cosine, one_cycle, plateau, step


def rates(schedule, total: int, lr: float = 1e-3, **settings) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = schedule(optimizer, total, **settings)
    seen = []
    for _ in range(total):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return [*seen, optimizer.param_groups[0]["lr"]]


def test_the_documented_rate_after_33_of_1000_epochs():
    assert rates(cosine, 1000, warmup=0.0, final=0.01)[33] == pytest.approx(0.0009973422519357583, rel=1e-12)


def test_cosine_is_torchs_own():
    def torchs(optimizer, total):
        return CosineAnnealingLR(optimizer, T_max=total, eta_min=1e-5)

    assert rates(cosine, 100, warmup=0.0, final=0.01) == pytest.approx(rates(torchs, 100), rel=1e-6)


def test_every_group_ends_at_its_own_hundredth():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (1e-3, 1e-1)]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    scheduler = cosine(optimizer, 10, warmup=0.0, final=0.01)
    for _ in range(10):
        optimizer.step()
        scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-5, 1e-3])


def test_warm_up_rises_in_a_line_to_the_full_rate():
    seen = rates(cosine, 100, warmup=0.1, final=0.0)
    assert seen[:10] == pytest.approx([1e-3 * (n + 1) / 11 for n in range(10)])
    assert seen[10] == pytest.approx(1e-3)
    assert seen[100] == pytest.approx(0, abs=1e-9)
    assert all(a > b for a, b in pairwise(seen[10:]))


def test_one_cycle_peaks_at_the_rate():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
        scheduler = one_cycle(optimizer, 100, warmup=0.3, start=0.04, final=0.0001)
        seen = []
        for _ in range(100):
            seen.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if len(seen) < 100:
                scheduler.step()
    assert seen[0] == pytest.approx(4e-5)
    assert max(seen) == pytest.approx(1e-3)
    assert seen[-1] == pytest.approx(1e-7, rel=1e-3)


def test_step_falls_to_a_tenth_after_each_third():
    seen = rates(step, 30, parts=3, factor=0.1)
    assert [seen[0], seen[9], seen[10], seen[20]] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5])


def test_plateau_halves_when_the_metric_stands_still():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = plateau(optimizer, 100, mode="max", factor=0.5, patience=3)
    for _ in range(6):
        scheduler.step(0.5)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_constant_stays():
    assert set(rates(constant, 5)) == {1e-3}


@pytest.mark.parametrize(("interval", "expected"), [("epoch", 7), ("step", 70)])
def test_auto_counts_the_intervals_of_the_run(interval, expected):
    class Trainer:
        max_epochs, estimated_stepping_batches = 7, 70

    seen = []
    schedule = Schedule(lambda optimizer, total: seen.append(total), interval, None, "auto")
    settings = schedule.configure(None, Trainer)["lr_scheduler"]
    assert seen == [expected]
    assert settings["interval"] == interval
    assert "monitor" not in settings
