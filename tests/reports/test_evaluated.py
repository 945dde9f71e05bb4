"""What an evaluation's report says of an ensemble's members, and of what is no number."""

import numpy as np
import pytest

from reports.calibration import Calibration
from reports.evaluated import lead_words, temperature_words, weight_words


def known(value: float | None) -> dict:
    """A figure as evaluation.json has it."""
    return {"value": value, "interval": [None, None] if value is None else [value - 0.25, value + 0.25]}


def ensemble(task: str, cost: str, value: float | None) -> dict:
    figures = {"accuracy": known(0.5), cost: known(value)}
    beside = {"beside_its_best": {"best": "logs/seed_1"} | figures}
    return {"task": task} | beside | {"beside_their_mean": {"figures": figures, "lead": figures}}


@pytest.mark.parametrize(
    ("task", "cost", "unit", "label"),
    [("clips", "loss", "clip by clip", "cross-entropy"), ("events", "joint_nll", "event by event", "nats an event")],
)
def test_an_ensemble_stands_beside_the_mean_of_its_members_and_the_best(task, cost, unit, label):
    assert lead_words(ensemble(task, cost, 1.5)) == (
        f"Mean of its members: accuracy 0.5000 [0.2500, 0.7500], {label} 1.5000 [1.2500, 1.7500]. "
        f"Lead over that mean, {unit}: accuracy +0.5000 [+0.2500, +0.7500], {label} +1.5000 [+1.2500, +1.7500]; over "
        f"its best member (seed_1, chosen in hindsight): accuracy +0.5000 [+0.2500, +0.7500], {label} +1.5000 "
        "[+1.2500, +1.7500]."
    )


@pytest.mark.parametrize("missing", [None, float("nan")], ids=["null", "nan"])
def test_what_is_no_number_is_said_to_be_none(missing):
    """null stands in evaluation.json, and NaN in what a terminal shows."""
    said = lead_words(ensemble("clips", "loss", missing))
    assert said.count("cross-entropy no number") == 3 and said.count("accuracy") == 3
    fit = {"value": 2.0, "clips": 40, "calibration_error": [0.1, missing], "loss": [missing, missing]}
    said = temperature_words({"task": "clips", "split": "test", "data": "signs", "temperature": fit})
    assert said.endswith("calibration error 0.100 -> no number, cross-entropy no number -> no number nats.")
    weights = {"values": [1.0], "clips": 40, "val": [0.5, 0.25], "test": [missing, 0.75]}
    said = weight_words({"split": "test", "members": [{"run": "logs/a"}], "weights": weights})
    assert said.endswith("validation 0.5000 -> 0.2500, test no number -> 0.7500 nats.")


def test_the_calibration_error_is_the_mean_distance_weighted_by_counts():
    calibration = Calibration(np.array([0.9, 0.5]), np.array([0.7, 0.6]), np.array([30, 10]))
    assert calibration.error == pytest.approx((30 * 0.2 + 10 * 0.1) / 40)
