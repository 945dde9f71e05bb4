"""Why the best and the last epoch differ, on histories whose reason is known."""

import pytest

from reports.epochs import best_and_last, epoch_table
from reports.run_files import RunFiles


def history(monitor: str, **columns: list[float]) -> RunFiles:
    names = {name.replace("_", "/", 1): values for name, values in columns.items()}
    length = len(next(iter(columns.values())))
    rows = [{"epoch": i + 1} | {name: float(values[i]) for name, values in names.items()} for i in range(length)]
    return RunFiles(path=None, history=rows, config={"callbacks": {"best": {"monitor": monitor}}})


def test_overfitting_is_told_from_the_two_losses():
    run = history("val/loss", train_loss=[2, 1.5, 1, 0.6, 0.3, 0.1], val_loss=[2, 1.6, 1.4, 1.6, 1.9, 2.3])
    said = best_and_last(run)
    assert "`val/loss` was best at epoch 3 of 6, 1.400; at the last it was 2.300" in said
    assert "Overfitting" in said
    assert "`train/loss` fell from 1.000 to 0.100 and `val/loss` rose from 1.400 to 2.300" in said


def test_training_that_went_back_is_no_overfitting():
    said = best_and_last(history("val/loss", train_loss=[2, 1, 0.9, 2, 3], val_loss=[2, 1.1, 1, 2, 3.5]))
    assert "Training itself went back" in said and "Overfitting" not in said


def test_a_difference_within_the_noise_means_nothing():
    said = best_and_last(history("val/loss", train_loss=[2, 1, 1, 1, 1, 1], val_loss=[2, 1.1, 1.2, 1.0, 1.15, 1.05]))
    assert "a difference of 0.05 is within the noise" in said and "Overfitting" not in said


def test_equal_figures_are_told_apart_by_more_digits():
    said = best_and_last(history("val/loss", val_loss=[1.5, 1.50012, 1.50034]))
    assert "1.5000; at the last it was 1.5003" in said


def test_accuracy_that_falls_while_the_loss_does_too():
    run = history(
        "val/accuracy",
        train_loss=[2, 1.5, 1.2, 1.0, 0.8, 0.6],
        val_loss=[2, 1.8, 1.6, 1.4, 1.2, 0.9],
        val_accuracy=[0.1, 0.5, 0.9, 0.85, 0.8, 0.7],
    )
    assert "Not overfitting by its loss" in best_and_last(run)


def test_few_validation_clips_are_counted():
    run = history("val/accuracy", val_accuracy=[0.2, 0.5, 0.6, 0.55, 0.5])
    run.provenance = {"clips": {"val": 40}}
    said = best_and_last(run)
    assert "a difference of 4 of 40 clips" in said
    # sqrt(0.6 * 0.4 / 40) = 0.0775
    assert "standard error of 0.077" in said


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ([3, 2.5, 2, 1.5, 1, 0.5, 0.4, 0.2], "more epochs may help"),
        ([3, 1, 1.01, 1, 1.01, 1, 1.01, 0.999], "flattened"),
    ],
)
def test_the_last_epoch_as_the_best(losses, words):
    said = best_and_last(history("val/loss", val_loss=losses))
    assert "The last epoch (8) is the best" in said and words in said


def test_a_run_that_was_never_finite_has_no_best_epoch():
    assert "none can be called best" in best_and_last(history("val/loss", val_loss=[float("nan")] * 3))


def test_a_short_history_is_shown_whole():
    text = epoch_table(history("val/loss", train_loss=[3.0, 2.0, 1.0], val_loss=[3.0, 1.0, 2.0]))
    assert len(text.splitlines()) == 2 + 3
    assert "| **2, best** |" in text


def test_of_a_long_history_the_best_and_the_last_are_never_left_out():
    losses = [abs(i - 58.1) for i in range(1, 101)]
    text = epoch_table(history("val/loss", val_loss=losses))
    shown = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][2:]
    assert shown[:3] == ["1", "2", "3"] and shown[-1] == "100" and "**58, best**" in shown
    assert len(shown) <= 30
    assert f"{len(shown)} of 100 epochs" in text
