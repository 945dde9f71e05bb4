"""Folds of a cross-validation: who tests, who validates, who is kept together."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from datamodules.skeletons.checks import check_clips
from datamodules.splits import GroupFold
from experiment.tasks.clips import ClipTask
from schemas.errors import ConfigError, DataError


@dataclass
class Labelled:
    """What a split reads of a store; its own split is not to be looked at."""

    labels: np.ndarray
    groups: dict[str, np.ndarray] = field(default_factory=dict)


def clips_of(sizes: dict[str, int]) -> Labelled:
    """So many clips of each subject, shuffled."""
    names = np.repeat(list(sizes), list(sizes.values()))
    names = np.random.default_rng(0).permutation(names)
    return Labelled(np.arange(len(names)) % 4, {"subject": names})


def folds_of(store: Labelled, number: int, **settings) -> list[dict[str, np.ndarray]]:
    """The first folds of a dealing, one left out where `settings` do not say how many there are."""
    settings = {"by": "subject", "folds": None, "seed": 0} | settings
    return [GroupFold(fold=fold, **settings)(store) for fold in range(number)]


def subjects(store: Labelled, rows: np.ndarray) -> set[str]:
    return set(store.groups["subject"][rows].tolist())


SIZES = {"ann": 5, "bob": 4, "cid": 3, "dee": 3, "eve": 2, "fay": 1}


def test_one_left_out_tests_the_subjects_by_name_and_the_next_one_validates():
    store, names = clips_of(SIZES), list(SIZES)
    for number, rows in enumerate(folds_of(store, 6)):
        assert subjects(store, rows["test"]) == {names[number]}
        assert subjects(store, rows["val"]) == {names[(number + 1) % 6]}
        assert subjects(store, rows["train"]) == set(names) - {names[number], names[(number + 1) % 6]}
        assert len(rows["test"]) == SIZES[names[number]]


def test_as_many_folds_as_subjects_is_one_left_out():
    store = clips_of(SIZES)
    for one, other in zip(folds_of(store, 6), folds_of(store, 6, folds=6, seed=3), strict=True):
        assert all(one[split].tolist() == other[split].tolist() for split in one)


def test_the_largest_are_dealt_first_into_the_emptiest_fold():
    """By hand: 5, 4 and 3 open the folds; 3 joins 3, 2 joins 4, 1 joins 5: six clips each."""
    store = clips_of(SIZES)
    found = [subjects(store, rows["test"]) for rows in folds_of(store, 3, folds=3)]
    assert found == [{"ann", "fay"}, {"bob", "eve"}, {"cid", "dee"}]


@pytest.mark.parametrize(("by", "folds"), [("subject", None), ("subject", 3), ("subject", 7), (None, 3), (None, 10)])
def test_every_clip_is_tested_once_validates_once_and_is_in_one_split_of_a_fold(by, folds):
    sizes = np.random.default_rng(1).integers(1, 40, 13)
    store = clips_of({f"s{number:02d}": int(size) for number, size in enumerate(sizes)})
    every = np.arange(len(store.labels)).tolist()
    dealt = folds_of(store, folds or 13, by=by, folds=folds)
    for rows in dealt:
        assert sorted(np.concatenate(list(rows.values())).tolist()) == every
        assert all((np.diff(own) > 0).all() for own in rows.values())
        if by is not None:
            own = [subjects(store, rows[split]) for split in ("train", "val", "test")]
            assert not own[0] & own[1] and not own[0] & own[2] and not own[1] & own[2]
    for split in ("test", "val"):
        assert sorted(np.concatenate([rows[split] for rows in dealt]).tolist()) == every


def test_folds_of_many_subjects_are_about_as_large():
    """The fold that is dealt to is the emptiest, so none leads another by more than one subject's clips."""
    sizes = np.random.default_rng(2).integers(1, 60, 50)
    store = clips_of({f"s{number}": int(size) for number, size in enumerate(sizes)})
    counts = [len(rows["test"]) for rows in folds_of(store, 5, folds=5)]
    assert max(counts) - min(counts) <= sizes.max()


def test_the_seed_decides_between_subjects_of_one_size():
    store = clips_of({f"s{number:02d}": 4 for number in range(12)})
    dealt = [[r["test"].tolist() for r in folds_of(store, 4, folds=4, seed=seed)] for seed in (0, 0, 1)]
    assert dealt[0] == dealt[1] != dealt[2]
    assert [len(test) for test in dealt[2]] == [12, 12, 12, 12]


def test_the_order_of_the_clips_moves_no_subject_to_another_fold():
    store = clips_of(SIZES | {"gus": 3, "hal": 3})
    turned = Labelled(store.labels[::-1], {"subject": store.groups["subject"][::-1]})
    for one, other in zip(folds_of(store, 3, folds=3), folds_of(turned, 3, folds=3), strict=True):
        assert subjects(store, one["test"]) == subjects(turned, other["test"])


def test_single_clips_are_dealt_evenly_within_every_class():
    labels = np.random.default_rng(3).permutation(np.repeat(np.arange(4), [11, 23, 30, 7]))
    dealt = folds_of(Labelled(labels), 5, by=None, folds=5)
    counts = np.array([np.bincount(labels[rows["test"]], minlength=4) for rows in dealt])
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(axis=1)) <= 1
    others = [folds_of(Labelled(labels), 5, by=None, folds=5, seed=seed)[0]["test"].tolist() for seed in (0, 1)]
    assert dealt[0]["test"].tolist() == others[0] != others[1]


def test_a_fold_claims_that_its_group_is_on_one_side_only():
    pairs = {("train", "val"), ("train", "test"), ("val", "test")}
    assert GroupFold("signer", None, 0, 0).claims == dict.fromkeys(pairs, "signer")
    assert GroupFold(None, 5, 0, 0).claims == {}


def test_the_data_checks_agree_with_the_claim(make_store):
    store = make_store(groups=("subject",), clips=80)
    split = GroupFold("subject", 4, 2, 0)
    assert not [f for f in check_clips(store, split(store), split.claims) if f.check == "groups"]
    crossed = split(store)
    crossed["test"] = np.append(crossed["test"], crossed["val"][0])
    found = [f for f in check_clips(store, crossed, split.claims) if f.check == "groups"]
    assert len(found) == 1 and "val and test should have no subject in common" in found[0].saw


def test_every_fold_has_a_split_fingerprint_of_its_own(make_store):
    store = make_store(groups=("subject",), clips=80)

    @dataclass
    class Opened:
        store: object
        rows: dict

    found = [
        ClipTask().facts(Opened(store, GroupFold("subject", 4, fold, 0)(store)))["split_fingerprint"]
        for fold in (0, 1, 2, 3, 0)
    ]
    assert len(set(found)) == 4 and found[0] == found[4]


BAD = {
    # what: (by, folds, fold, subjects), message
    "no such group": (("signer", None, 0, 6), DataError, r"split\.by: .*no group 'signer'.*Known groups: subject;"),
    "fewer members than folds": (("subject", 7, 0, 6), DataError, r"split\.folds: 6 members .*'subject'.*6 folds at"),
    "one member": (("subject", None, 0, 1), DataError, r"split\.folds: 1 members .*take another `by`"),
    "two members": (("subject", None, 0, 2), DataError, r"2 members of the group 'subject' cannot be dealt into 3"),
    "fewer clips than folds": ((None, 99, 0, 6), DataError, r"18 clips cannot be dealt into 99 folds"),
    "two folds": (("subject", 2, 0, 6), ConfigError, r"split\.folds: 2 leave none to train"),
    "single clips and no number": ((None, None, 0, 6), ConfigError, r"split\.folds: single clips need a number"),
    "beyond the last": (("subject", None, 6, 6), ConfigError, r"split\.fold: there is no fold 6, the 6 .*0 to 5"),
    "below the first": (("subject", 4, -1, 6), ConfigError, r"split\.fold: there is no fold -1, the 4 .*0 to 3"),
}


@pytest.mark.parametrize("name", BAD)
def test_folds_that_cannot_be_made_say_what_there_is(name):
    (by, folds, fold, members), kind, message = BAD[name]
    with pytest.raises(kind, match=message):
        GroupFold(by, folds, fold, 0)(clips_of(dict(list(SIZES.items())[:members])))


def test_data_without_groups_are_told_of_single_clips(make_store):
    with pytest.raises(DataError, match="Known groups: none; null deals single clips"):
        GroupFold("subject", None, 0, 0)(make_store())
