"""A training loss that does not move is found; one that has fallen is not accused."""

import numpy as np
import pytest
from small_runs import Clips, Scripted, fit

from callbacks.health.stalled import Stalled, is_flat

pytestmark = pytest.mark.filterwarnings("ignore")
DOCUMENTED = [3.908527, 3.909062, 3.908195, 3.909240, 3.908188, 3.909182, 3.908396, 3.908705, 3.909463, 3.908773]
DOCUMENTED += [3.908290, 3.909508, 3.908058, 3.907837, 3.909562, 3.908864, 3.908616, 3.909562, 3.908864, 3.908616]
"""The training losses that were reported as "robust convergence"."""


def check_of(train: list[float], epochs: int = 10, **others: list[float]) -> Stalled:
    check = Stalled(epochs)
    figures = {"train/loss": train} | {name.replace("_", "/", 1): values for name, values in others.items()}
    fit(Scripted(figures, lr=0.0123), check, data=Clips(1, 1), max_epochs=len(train))
    return check


def noisy(*values: float, noise: float = 0.002) -> list[float]:
    return (np.array(values) + noise * np.random.default_rng(0).normal(size=len(values))).tolist()


def test_the_documented_epochs_at_3_908_are_found_by_the_tenth():
    (finding,) = check_of(DOCUMENTED).found.values()
    assert finding.epoch == 10 and finding.severity == "warning" and finding.until is None
    assert "for 10 epochs: 3.908" in finding.saw and "learning rate is 0.0123" in finding.saw


def test_a_loss_that_never_changes_at_all_is_found():
    assert check_of([1.0986] * 10).found and check_of([0.0] * 10).found


def test_it_is_gone_when_the_loss_falls():
    (finding,) = check_of([*DOCUMENTED[:10], 3.5, 3.2, 2.9]).found.values()
    assert finding.epoch == 10 and finding.until in (11, 12)


def test_a_loss_that_was_a_little_higher_at_first_is_a_note():
    (finding,) = check_of(noisy(1.90, *[1.85] * 12)).found.values()
    assert finding.severity == "note" and finding.epoch == 11 and "that of the first epoch was 1.9" in finding.saw


@pytest.mark.parametrize(
    ("train", "why"),
    [
        (noisy(*np.linspace(3.9, 3.8, 14)), "slow, and more than its noise"),
        (noisy(2.3, 1.6, 1.0, *[0.7] * 14), "converged"),
        (DOCUMENTED[:9], "too short to say"),
        ([*noisy(*[1.0] * 12, noise=0.1), 0.5], "falls at last"),
    ],
)
def test_a_healthy_run_is_not_accused(train, why):
    found = check_of(train).found
    assert all(finding.until is not None for finding in found.values())
    assert not found or why == "falls at last"


def test_a_fine_tuned_run_that_begins_at_its_goal_is_not_accused():
    assert check_of(noisy(*[0.05] * 12), train_accuracy=[0.99] * 12).found == {}


def test_the_window_can_be_chosen():
    assert [f.epoch for f in check_of(DOCUMENTED[:8], epochs=5).found.values()] == [5]


def test_flat_agrees_with_a_fit_by_hand():
    # A rise of 1 a step about which the points lie 2 away: over 9 steps about 9 against 3 x 2.2.
    zigzag = 2.0 * np.array([1, -1, 1, -1, 1, -1, 1, -1, 1, -1])
    assert not is_flat(100_000 + np.arange(10) + zigzag)
    assert is_flat(100_000 + 0.5 * np.arange(10) + zigzag)
    # Within its noise, and yet by more than 1 %.
    assert not is_flat(10 + 0.5 * np.arange(10) + zigzag)


def test_without_a_history_nothing_is_said():
    check = Stalled()
    trainer = type("Trainer", (), {"callbacks": [check]})
    check.on_train_epoch_end(trainer, None)
    assert check.found == {}
