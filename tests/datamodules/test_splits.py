import hashlib

import numpy as np
import pandas as pd
import pytest

from datamodules.splits import ChronologicalSplit, ColumnSplit, OfficialSplit, SequenceFold, SequenceHashSplit
from schemas.errors import ConfigError, DataError


def test_a_split_of_the_source_is_kept(make_store):
    store = make_store(groups=("signer",))
    rows = OfficialSplit(validation_by=None, validation_share=0.2, seed=0)(store)
    for split in ("train", "val", "test"):
        assert rows[split].tolist() == store.rows(split).tolist()


def test_a_missing_validation_set_takes_a_share_of_every_class(make_store):
    store = make_store(clips=120)
    rows = OfficialSplit(validation_by=None, validation_share=0.25, seed=0)(store)
    train, val = store.labels[rows["train"]], store.labels[rows["val"]]
    assert set(val) == set(train) == set(range(4))
    assert abs(len(val) / (len(val) + len(train)) - 0.25) < 0.05
    assert sorted([*rows["train"], *rows["val"]]) == store.rows("train").tolist()
    assert rows["test"].tolist() == store.rows("test").tolist()


def test_groups_stay_on_one_side(make_store):
    store = make_store(groups=("subject",), clips=80)
    store.splits = np.where(store.splits == 1, 0, store.splits)
    rows = OfficialSplit(validation_by="subject", validation_share=0.3, seed=0)(store)
    subjects = {split: set(store.groups["subject"][rows[split]]) for split in ("train", "val")}
    assert not subjects["train"] & subjects["val"]
    assert len(rows["val"]) >= 0.3 * (len(rows["train"]) + len(rows["val"]))


def test_another_seed_cuts_another_set(make_store):
    store = make_store(clips=120)
    cut = [OfficialSplit(None, 0.25, seed)(store)["val"].tolist() for seed in (0, 0, 1)]
    assert cut[0] == cut[1] != cut[2]


def test_an_unknown_group_is_named(make_store):
    with pytest.raises(DataError, match=r"no group 'signer'.*none; set it to null"):
        OfficialSplit("signer", 0.2, 0)(make_store())


EVENTS = pd.DataFrame(
    {
        "sequence": [f"case {number % 500}" for number in range(2000)],
        "time": pd.date_range("2024-01-01", periods=2000, freq="h"),
        "part": ["train", "val", "test", "test"] * 500,
        "fold": [1, 2, 3, 3] * 500,
    }
)


def test_a_column_may_name_the_split_of_every_event():
    assert ColumnSplit("part").columns == ("part",)
    assert ColumnSplit("part")(EVENTS).tolist() == [0, 1, 2, 2] * 500
    renamed = ColumnSplit("fold", {"train": "3", "val": "2", "test": "1"})
    assert renamed(EVENTS).tolist() == [2, 1, 0, 0] * 500
    assert renamed(EVENTS).dtype == np.int8


def test_a_cell_that_names_no_split_is_named():
    cells = pd.DataFrame({"part": ["train", "dev", None, "holdout"]}, index=[3, 2, 1, 0])
    with pytest.raises(DataError, match=r"row 1, column 'part': '', 'dev', 'holdout'.*3 rows.*train, val, test"):
        ColumnSplit("part")(cells)


def test_a_key_that_is_no_split_is_a_config_error():
    with pytest.raises(ConfigError, match="validation: no such split"):
        ColumnSplit("part", {"validation": "val"})


def test_dates_cut_every_event_by_its_own():
    split = ChronologicalSplit("2024-02-01", "2024-03-01T12:00")
    month = EVENTS["time"].dt.month
    late = EVENTS["time"] >= pd.Timestamp("2024-03-01 12:00")
    assert split(EVENTS).tolist() == np.where(late, 2, np.where(month > 1, 1, 0)).tolist()
    assert split.columns == ()


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (("2024-03-01", "2024-02-01"), "val_from 2024-03-01 is not before test_from 2024-02-01"),
        (("2024-03-01", "2024-03-01"), "is not before"),
        (("1 March", "2024-03-01"), r"datamodule\.split\.val_from: '1 March' is no date"),
    ],
)
def test_dates_that_cannot_cut_are_config_errors(dates, message):
    with pytest.raises(ConfigError, match=message):
        ChronologicalSplit(*dates)


def test_a_hash_keeps_sequences_whole_and_gives_them_their_shares():
    split = SequenceHashSplit(0.2, 0.3, seed=0)
    found = split(EVENTS)
    by_sequence = EVENTS.assign(split=found).groupby("sequence")["split"]
    assert (by_sequence.nunique() == 1).all()
    share = by_sequence.first().value_counts(normalize=True)
    assert [share[number] for number in range(3)] == pytest.approx([0.5, 0.2, 0.3], abs=0.06)
    assert found.dtype == np.int8 and split.columns == ()


def test_a_hash_is_not_moved_by_order_other_sequences_or_the_seed_of_a_run():
    split = SequenceHashSplit(0.2, 0.3, seed=0)
    some = EVENTS.sample(300, random_state=0)
    assert split(some).tolist() == split(EVENTS)[some.index].tolist()
    assert SequenceHashSplit(0.2, 0.3, seed=1)(EVENTS).tolist() != split(EVENTS).tolist()


def test_a_hash_is_that_of_any_machine():
    """By the definition: blake2b over "seed/name", 8 bytes, little-endian, as a share of 2^64."""
    share = int.from_bytes(hashlib.blake2b(b"7/case 3", digest_size=8).digest(), "little") / 2**64
    event = EVENTS[EVENTS["sequence"] == "case 3"]
    assert (SequenceHashSplit(0.1, share + 1e-9, 7)(event) == 2).all()
    assert (SequenceHashSplit(0.1, share - 1e-9, 7)(event) == 1).all()


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.2), (0.2, 1.0)])
def test_shares_that_leave_nothing_for_training_are_config_errors(shares):
    with pytest.raises(ConfigError, match="leave no share for training"):
        SequenceHashSplit(*shares, seed=0)


def test_a_split_of_clips_says_which_groups_it_keeps_apart(make_store):
    assert OfficialSplit(None, 0.2, 0).claims == {}
    split = OfficialSplit("subject", 0.2, 0, test_apart_by="camera")
    assert split.claims == {("train", "val"): "subject", ("train", "test"): "camera"}
    with pytest.raises(DataError, match=r"split\.test_apart_by: its clips have no group 'camera'.*groups: subject"):
        split(make_store(groups=("subject",)))


def test_a_split_of_events_says_whether_it_keeps_sequences_whole():
    assert SequenceHashSplit(0.2, 0.3, seed=0).whole_sequences
    assert not ChronologicalSplit("2024-02-01", "2024-03-01").whole_sequences
    assert ColumnSplit("part").whole_sequences and not ColumnSplit("part", whole_sequences=False).whole_sequences


def test_what_a_column_is_said_to_be_does_not_change_the_fingerprint_of_the_data():
    """It enters by the split's repr."""
    assert repr(ColumnSplit("part")) == repr(ColumnSplit("part", whole_sequences=False)) != repr(ColumnSplit("fold"))


@pytest.mark.parametrize("names", [{"val": "test"}, {"train": "a", "val": "a"}])
def test_test_cannot_be_named_as_validation(names):
    with pytest.raises(ConfigError, match=r"datamodule\.split\.names: two splits are called the same"):
        ColumnSplit("part", names)


def test_folds_of_sequences_are_stretches_of_time():
    folds = [SequenceFold(5, fold, val_share=0.25, seed=0, order="time")(EVENTS) for fold in range(5)]
    first = EVENTS.groupby("sequence")["time"].min()
    for number, split in enumerate(folds):
        tested = first[EVENTS["sequence"][split == 2].unique()].sort_values()
        # the 500 cases begin an hour apart, in the order of their numbers
        assert tested.tolist() == first.sort_values().tolist()[100 * number : 100 * (number + 1)]
        in_split = EVENTS.assign(split=split).groupby("sequence")["split"]
        assert (in_split.nunique() == 1).all()
        assert abs((in_split.first() == 1).sum() / 400 - 0.25) < 0.07
    assert (np.stack(folds) == 2).sum(0).tolist() == [1] * len(EVENTS)


def test_folds_of_sequences_may_be_stretches_of_names():
    names = sorted(EVENTS["sequence"].unique())
    for number in range(5):
        split = SequenceFold(5, number, 0.25, 0, order="name")(EVENTS)
        assert sorted(EVENTS["sequence"][split == 2].unique()) == names[100 * number : 100 * (number + 1)]
    with pytest.raises(ConfigError, match=r"datamodule\.split\.order: no order 'size'"):
        SequenceFold(5, 0, 0.25, 0, order="size")


def test_a_fold_does_not_hang_on_the_order_of_rows():
    shuffled = EVENTS.sample(frac=1, random_state=0)
    split = SequenceFold(5, 2, 0.2, 0, "time")
    assert split(shuffled).tolist() == split(EVENTS)[shuffled.index].tolist()


@pytest.mark.parametrize(
    ("folds", "fold", "share", "said"),
    [
        (None, 0, 0.2, "need a number"),
        (5, 5, 0.2, "no fold 5 of 5"),
        (1, 0, 0.2, "no fold 0 of 1"),
        (5, 0, 0.0, "share of 0.0"),
        (5, 0, 1.0, "share"),
    ],
)
def test_folds_that_cannot_be_are_refused(folds, fold, share, said):
    with pytest.raises(ConfigError, match=said):
        SequenceFold(folds, fold, share, 0, "time")


def test_fewer_sequences_than_folds_are_refused():
    with pytest.raises(DataError, match="500 sequences cannot be dealt into 501 folds"):
        SequenceFold(501, 0, 0.2, 0, "time")(EVENTS)
