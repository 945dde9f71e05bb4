"""When a split's picture is drawn."""

import pytest

from callbacks.split_chart import SplitChart
from tests.callbacks.small_clip_run import SmallData, Told, logits_of, small_trainer


class Calls(SplitChart):
    def __init__(self, every_n_epochs):
        super().__init__(every_n_epochs)
        self.calls = []

    def draw(self, trainer, split, output, last):
        self.calls.append((trainer.current_epoch, split, len(output.label), last))


class StopsAfter(Calls):
    def on_train_epoch_start(self, trainer, pl_module):
        trainer.should_stop = trainer.current_epoch == 2


@pytest.fixture
def fitted(make_store, tmp_path):
    """Trains and tests with a callback; returns its calls."""
    store = make_store(splits=("train", "val", "test"))

    def fit(chart, **settings):
        trainer, module = small_trainer(tmp_path, chart, board=False, **settings), Told(logits_of(store, {}))
        trainer.fit(module, datamodule=SmallData(store))
        trainer.test(module, datamodule=SmallData(store), verbose=False)
        return chart.calls, {split: len(store.rows(split)) for split in ("val", "test")}

    return fit


@pytest.mark.parametrize(
    ("every", "settings", "epochs"),
    [
        (2, {"max_epochs": 5}, [1, 3, 5]),
        (2, {"max_epochs": 4}, [1, 4]),
        (None, {"max_epochs": 3}, [3]),
        (10, {"max_epochs": 3}, [3]),
        # Validated in epochs 3, 6 and 9 (from 1): the first at or behind 4, the first at or behind 8, and the end.
        (4, {"max_epochs": 10, "check_val_every_n_epoch": 3}, [5, 8, 10]),
        (1, {"max_epochs": 2, "val_check_interval": 1, "limit_train_batches": 2}, [0, 2]),
    ],
    ids=["every second", "the last once", "the end only", "shorter than that", "few validations", "many validations"],
)
def test_validation_is_drawn_every_few_epochs_and_once_at_the_end(fitted, every, settings, epochs):
    calls, clips = fitted(Calls(every), **settings)
    drawn = [(epoch, last) for epoch, split, _, last in calls if split == "val"]
    assert drawn == [(epoch, epoch == epochs[-1]) for epoch in epochs]
    assert {count for _, split, count, _ in calls if split == "val"} == {clips["val"]}


def test_the_test_split_is_drawn_once(fitted):
    calls, clips = fitted(Calls(1))
    assert [(count, last) for _, split, count, last in calls if split == "test"] == [(clips["test"], True)]


def test_a_run_that_stops_early_has_its_last_validation(fitted):
    calls, _ = fitted(StopsAfter(None), max_epochs=9)
    assert [(epoch, last) for epoch, split, _, last in calls if split == "val"] == [(3, True)]


def test_a_fast_dev_run_draws_nothing(fitted):
    assert fitted(Calls(1), fast_dev_run=True)[0] == []


def test_a_sanity_check_is_no_validation(fitted):
    calls, _ = fitted(Calls(1), limit_val_batches=1, num_sanity_val_steps=1, check_val_every_n_epoch=9)
    assert [split for _, split, _, _ in calls] == ["test"]
