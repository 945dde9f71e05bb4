"""Classes and fields, mistakes and confidence: figures computed by hand."""

import numpy as np
import pytest

from reports.calibration import calibration_of, calibration_words
from reports.confusion import confused_pairs, confusion_drawing, confusion_of
from reports.parts import part_picture, part_table, parts_of
from reports.run_files import read_run
from tests.reports.run_folders import CLIPS_EVALUATION, write


def test_classes_stand_worst_first_with_the_better_side_in_bold(clips_run):
    rows = part_table(read_run(clips_run)).splitlines()[-3:]
    assert rows == [
        "| `wave` | 24 | **0.708** | 0.500 | beats the best |",
        "| `jump` | 24 | **0.833** | 0.700 | beats the best |",
        "| `clap` | 24 | 0.917 | **0.950** | at chance |",
    ]


def test_the_classes_are_counted_by_verdict(clips_run):
    assert "Of 3: 2 beat the best baseline, 1 at or below chance." in part_table(read_run(clips_run))


def test_fields_keep_their_order_and_the_floor_is_no_rival(events_run):
    parts = parts_of(read_run(events_run))
    assert list(parts.rows) == ["city", "hour"]
    assert (parts.model, parts.baselines) == ("cross-entropy", ["uniform", "bigram"])


def test_verdicts_of_status_stand_in_a_table_that_has_none(events_run):
    status = {"result": {"verdict": {"sentence": "x", "parts": {"city": {"level": "at or below chance"}}}}}
    write(events_run, status=status)
    assert "| `city` | **1.400** | 3.000 | 1.500 | 1.200 | 0.300 | at chance |" in part_table(read_run(events_run))


def test_the_picture_has_a_dot_for_each_model_and_baseline(events_run):
    axis = part_picture(read_run(events_run)).axes[0]
    dots = {line.get_label(): list(line.get_xdata()) for line in axis.lines if not line.get_label().startswith("_")}
    assert dots == {"uniform": [3, 3], "bigram": [1.5, 1.9], "floor": [1.2, 1.1], "event_predictor": [1.4, 1.6]}


def test_of_a_hundred_classes_the_worst_and_the_best_are_drawn(clips_run):
    table = {f"c{i:02}": {"accuracy": i / 100} for i in range(100)}
    write(clips_run, evaluation={"task": "clips", "table": table})
    axis = part_picture(read_run(clips_run)).axes[0]
    names = [text.get_text() for text in axis.get_yticklabels()]
    assert names == [f"c{i:02}" for i in [*range(15), *range(85, 100)]]
    assert axis.texts[0].get_text().strip() == "70 between"


def test_the_most_confused_pair_is_named_with_its_clips(clips_run):
    words = confused_pairs(confusion_of(read_run(clips_run)))
    # Off the diagonal: wave->clap 7, clap->wave 2, jump->wave 1, jump->clap 3; 13 of 72.
    assert words.splitlines()[0] == "13 of 72 clips are taken for another class, 13 of them so:"
    assert words.splitlines()[2:] == [
        "- `wave` taken for `clap`: 7 of 24 clips",
        "- `jump` taken for `clap`: 3 of 24 clips",
        "- `clap` taken for `wave`: 2 of 24 clips",
        "- `jump` taken for `wave`: 1 of 24 clips",
    ]


def test_of_many_classes_the_confused_ones_are_drawn_and_the_rest_are_one(clips_run):
    counts = np.diag(np.full(60, 10))
    counts[50, 3] = 5
    names = [f"sign {i}" for i in range(60)]
    write(clips_run, evaluation={"classes": names, "confusion": counts.tolist()})
    axis = confusion_drawing(confusion_of(read_run(clips_run)), "test").axes[0]
    shown = [text.get_text() for text in axis.get_yticklabels()]
    assert {"sign 3", "sign 50", "36 others"} <= set(shown) and len(shown) == 25
    shares = axis.images[0].get_array()
    assert shares[shown.index("sign 50"), shown.index("sign 3")] == pytest.approx(5 / 15)
    assert np.allclose(shares.sum(axis=1), 1)


def test_calibration_error_by_hand(clips_run):
    calibration = calibration_of(read_run(clips_run))
    # (10 * |0.4 - 0.5| + 30 * |0.8 - 0.9|) / 40
    assert calibration.error == pytest.approx(0.1)
    said = calibration_words(calibration)
    # Confidence (10 * 0.5 + 30 * 0.9) / 40 = 0.8, accuracy (10 * 0.4 + 30 * 0.8) / 40 = 0.7.
    assert "Mean confidence 0.800, accuracy 0.700 over 40 predictions: on the whole the model is overconfident" in said


def test_bins_that_cancel_out_are_still_an_error(clips_run):
    bins = [{"confidence": 0.3, "accuracy": 0.5, "count": 10}, {"confidence": 0.9, "accuracy": 0.7, "count": 10}]
    write(clips_run, evaluation=CLIPS_EVALUATION | {"calibration": bins})
    said = calibration_words(calibration_of(read_run(clips_run)))
    assert "error 0.200" in said and "the two agree" in said
