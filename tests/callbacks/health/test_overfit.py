"""A validation loss that rises while training's falls is named with its epochs."""

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from small_runs import Clips, Scripted, fit

from callbacks.health.overfit import Overfit

pytestmark = pytest.mark.filterwarnings("ignore")
TRAIN = [1.4, 1.0, 0.7, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1]
RISING = [1.3, 1.0, 0.8, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5]
FALLING_ACCURACY = [0.3, 0.5, 0.8, 0.7, 0.7, 0.68, 0.66, 0.65, 0.6]
STEADY_ACCURACY = [0.3, 0.5, 0.8, 0.79, 0.81, 0.78, 0.8, 0.77, 0.8]


def found(val: list[float], accuracy: list[float], train=TRAIN, monitor="val/accuracy", checks=(), **settings) -> dict:
    check = Overfit(monitor, "min" if monitor.endswith("loss") else "max")
    figures = {"train/loss": train, "val/loss": val, "val/accuracy": accuracy}
    fit(Scripted(figures), check, *checks, data=Clips(1, 1), max_epochs=len(train), **settings)
    return check.found


def test_it_is_found_after_five_validations_with_the_epoch_of_the_minimum_and_both_gaps(tmp_path):
    save = ModelCheckpoint(tmp_path, filename="best", monitor="val/accuracy", mode="max")
    (finding,) = found(RISING, FALLING_ACCURACY, checks=(save,)).values()
    assert finding.severity == "warning" and finding.epoch == 8 and finding.until is None
    # 0.8 - 0.7 at epoch 3; 1.4 - 0.15 now.
    for figure in (
        "since epoch 3, from 0.800 to 1.400",
        "from 0.700 to 0.150",
        "was 0.100 and is 1.250",
        "0.800 at epoch 3",
    ):
        assert figure in finding.saw
    assert "best.ckpt is of epoch 3" in finding.remedy and "datamodule.augment" in finding.remedy


def test_a_loss_that_rises_by_overconfidence_alone_is_a_note():
    (finding,) = found(RISING, STEADY_ACCURACY).values()
    assert finding.severity == "note" and "best.ckpt" not in finding.remedy


def test_a_note_becomes_a_warning_when_the_monitored_metric_follows():
    late = [*STEADY_ACCURACY, 0.6, 0.6, 0.6, 0.6]
    rest = [0.09, 0.08, 0.07, 0.06]
    (finding,) = found([*RISING, 1.5, 1.5, 1.5, 1.5], late, train=[*TRAIN, *rest]).values()
    assert finding.severity == "warning" and finding.epoch > 9


def test_of_a_monitored_loss_less_is_better():
    (finding,) = found(RISING, STEADY_ACCURACY, monitor="val/loss").values()
    assert finding.severity == "warning" and "its best was 0.800 at epoch 3" in finding.saw


def test_it_is_gone_when_the_loss_comes_back():
    val, train = [*RISING, 0.82], [*TRAIN, 0.05]
    (finding,) = found(val, [*FALLING_ACCURACY, 0.8], train=train).values()
    assert (finding.epoch, finding.until) == (8, 10)


@pytest.mark.parametrize(
    ("val", "train", "why"),
    [
        (RISING[:7], TRAIN[:7], "too short to say"),
        ([1.3, 1.0, 0.8, 0.85, 0.86, 0.84, 0.87, 0.86, 0.85], TRAIN, "a plateau, within a tenth"),
        ([1.3, 1.0, 0.8, 1.0, 1.1, 0.8, 1.1, 1.2, 1.1], TRAIN, "noise: never five in a row"),
        (RISING, [1.4, 1.0, 0.7, *[0.9] * 6], "training has become worse as well"),
        ([1.0, 0.01, 0.001, *[0.002] * 6], [1.0, 0.1, 0.01, *[0.001] * 6], "all but zero"),
    ],
)
def test_a_healthy_run_is_not_accused(val, train, why):
    assert found(val, FALLING_ACCURACY[: len(val)], train=train) == {}


def test_epochs_without_validation_are_left_out():
    # Validation at epochs 2, 4, ...; what stands between is never seen.
    val, accuracy = ([value for v in values for value in (99.0, v)] for values in (RISING, FALLING_ACCURACY))
    train = [value for value in TRAIN for _ in range(2)]
    settings = {"check_val_every_n_epoch": 2, "num_sanity_val_steps": 0}
    (finding,) = found(val, accuracy, train=train, **settings).values()
    assert finding.epoch == 16 and "since epoch 6, from 0.800 to 1.400" in finding.saw


def test_a_module_without_these_metrics_is_left_alone():
    check = Overfit("val/accuracy", "max")
    fit(Scripted({"train/loss": [1.0, 1.0]}), check)
    assert check.found == {}
