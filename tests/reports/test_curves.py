"""What stands in the picture, read from matplotlib's own objects."""

from itertools import pairwise

import pytest

from reports.curves import _apart, curves
from reports.run_files import read_run
from tests.reports.run_folders import write


def lines(axis) -> dict[str, list[float]]:
    return {line.get_label(): [float(v) for v in line.get_ydata()] for line in axis.lines}


def test_both_splits_the_best_epoch_and_the_test_are_drawn(clips_run):
    loss, accuracy = curves(read_run(clips_run)).axes
    assert lines(loss)["train"] == [1.2, 0.8, 0.5, 0.2]
    assert lines(accuracy)["val"] == [0.4, 0.85, 0.65, 0.5]
    assert lines(accuracy)["test 0.819"] == [0.819] and lines(loss)["test 0.777"] == [0.777]
    assert "best epoch, 2" in lines(loss)


def test_baselines_are_level_lines_in_both_panels(clips_run, events_run):
    levels = {text.get_text() for text in curves(read_run(clips_run)).axes[1].texts}
    assert levels == {"linear ridge 0.600", "majority 0.350"}
    loss = curves(read_run(events_run)).axes[0]
    assert {text.get_text() for text in loss.texts} == {"bigram 1.700", "uniform 3.000"}
    level = [line for line in loss.lines if set(line.get_ydata()) == {1.7}]
    assert len(level) == 1 and loss.get_ylim()[0] < 1.5 and loss.get_ylim()[1] > 3.0


def test_a_loss_that_exploded_leaves_the_rest_legible(clips_run):
    text = "epoch,train/loss,val/loss\n" + "".join(f"{i},{1 / i},{1 / i}\n" for i in range(1, 9)) + "9,1e9,inf\n"
    write(clips_run, metrics=text, status={})
    assert curves(read_run(clips_run)).axes[0].get_yscale() == "log"


def test_no_epochs_no_picture(tmp_path):
    assert curves(read_run(tmp_path)) is None


@pytest.mark.parametrize("heights", [[0.1, 0.11, 0.12], [0.0, 0.5, 0.99, 1.0], [0.97, 0.98, 0.99]])
def test_names_of_near_levels_do_not_overlap(heights):
    moved = _apart(heights, 0.06)
    assert all(high - low >= 0.0599 for low, high in pairwise(moved))
    assert max(moved) <= 1 and min(moved) >= 0
