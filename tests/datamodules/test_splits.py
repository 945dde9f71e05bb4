import numpy as np
import pytest

from datamodules.splits import OfficialSplit
from schemas.errors import DataError


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
