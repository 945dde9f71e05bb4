"""What `signs` promises: its signs, its people, its splits, its bodies, and the same bytes from the same seed."""

import sys
from pathlib import Path

import numpy as np
import pytest

from datamodules.skeletons.generators import body
from datamodules.skeletons.generators.people import LEFT_HANDED, PEOPLE, split_of
from datamodules.skeletons.generators.phonology import PARAMETERS, SIGNS, minimal_pairs
from datamodules.skeletons.generators.signs import VERSION, signer_clips, write_signs
from datamodules.skeletons.store import ClipStore
from datamodules.skeletons.store_writer import SPLITS, Clip, new_store

SIGNERS = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("stores") / "signs"
    write_signs(target, signers=SIGNERS, takes=1)
    return target


@pytest.fixture(scope="module")
def store(folder) -> ClipStore:
    return ClipStore(folder)


@pytest.fixture(scope="module")
def right_handed():
    assert 0 not in LEFT_HANDED
    return signer_clips(0, takes=1)


@pytest.fixture(scope="module")
def left_handed():
    assert 1 in LEFT_HANDED
    return signer_clips(1, takes=1)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    for run in ("one", "two"):
        write_signs(tmp_path / run / "signs", seed=3, signers=2, takes=1)
    write_signs(tmp_path / "other" / "signs", seed=4, signers=2, takes=1)
    first = contents(tmp_path / "one" / "signs")
    assert contents(tmp_path / "two" / "signs") == first
    assert contents(tmp_path / "other" / "signs")["frames.bin"] != first["frames.bin"]


@pytest.mark.slow
def test_version_1_is_frozen(tmp_path):
    """Figures are compared across versions of assay: a change of the clips is a new VERSION, and a new sum here."""
    write_signs(tmp_path / "signs")
    store = ClipStore(tmp_path / "signs")
    assert VERSION == 1
    assert store.header["files"]["frames"]["sha256"].startswith("acb6e4fa32d0da79")
    assert store.header["files"]["visible"]["sha256"].startswith("589db97635f34cb2")


def test_fewer_signers_are_the_first_of_the_same_people(store):
    alone = signer_clips(2, takes=1)
    rows = np.flatnonzero(np.asarray(store.groups["signer"]) == "signer02")
    first, last = store.offsets[rows[0]], store.offsets[rows[-1] + 1]
    assert np.array_equal(store.frames[first:last], alone.seen * alone.visible[..., None])


def test_24_signers_are_split_16_4_4_with_left_handed_ones_in_every_split():
    splits = [split_of(signer) for signer in range(PEOPLE)]
    assert [splits.count(split) for split in SPLITS] == [16, 4, 4]
    assert {split_of(signer) for signer in LEFT_HANDED} == set(SPLITS)
    assert 0.35 <= len(LEFT_HANDED) / PEOPLE <= 0.45


def test_no_signer_is_in_two_splits_and_every_split_has_all_classes(store):
    signer, labels = np.asarray(store.groups["signer"]), np.asarray(store.labels)
    signers = [set(signer[store.rows(split)]) for split in SPLITS]
    assert sum(map(len, signers)) == len(set.union(*signers)) == SIGNERS
    for split in SPLITS:
        assert set(labels[store.rows(split)]) == set(range(100))


def test_store_is_whole_and_clips_last_32_to_64_frames(store):
    store.verify()
    assert store.skeleton.name == "pose_hands75" and store.coordinates == 3
    assert store.lengths.min() >= 32 and store.lengths.max() <= 64
    assert len(np.unique(store.lengths)) > 10


def test_minimal_pairs_differ_in_exactly_the_parameter_they_name(store):
    pairs = minimal_pairs()
    assert len(set(SIGNS)) == 100 and len(pairs) >= 30
    assert {parameter for *_, parameter in pairs} == set(PARAMETERS)
    for a, b, parameter in store.header["source"]["minimal_pairs"]:
        one, other = store.classes[a].split("."), store.classes[b].split(".")
        assert [p for p, x, y in zip(PARAMETERS, one, other, strict=True) if x != y] == [parameter]


def test_bones_keep_their_length_before_noise(right_handed):
    names = [
        name
        for name in body.JOINT
        if name.endswith(("elbow", "_wrist", "_mcp", "_pip", "_dip", "_ip", "_tip")) and not name.endswith("hand_wrist")
    ]
    child = np.array([body.JOINT[name] for name in names])
    length = np.linalg.norm(
        right_handed.joints[:, child] - right_handed.joints[:, body.LAYOUT.parent_index[child]], axis=-1
    )
    assert np.ptp(length, axis=0).max() < 1e-9
    assert length.min() > 0.01 and length.max() < 0.4


def test_left_handed_signers_sign_with_the_left_hand(right_handed, left_handed):
    def travelled(clips, side):
        place = clips.joints[:, body.JOINT[f"{side}_wrist"]]
        return np.abs(np.diff(place, axis=0)).sum()

    assert travelled(right_handed, "right") > 2 * travelled(right_handed, "left")
    assert travelled(left_handed, "left") > 2 * travelled(left_handed, "right")
    shoulder = left_handed.joints[:, body.JOINT["left_shoulder"], 0]
    assert (shoulder > 0).all(), "the mirror image keeps the left shoulder on the left"


def test_mirror_twice_is_the_same(right_handed):
    assert np.array_equal(body.mirrored(body.mirrored(right_handed.joints)), right_handed.joints)


def test_hidden_hands_are_hidden_whole_and_hidden_joints_are_zero(store):
    for joints in body.HANDS.values():
        hand = np.asarray(store.visible[:, joints])
        assert (hand.all(axis=1) | ~hand.any(axis=1)).all()
        assert 0.02 < 1 - hand.mean() < 0.5
    assert not np.asarray(store.frames)[~np.asarray(store.visible)].any()


def test_some_frames_are_lost_and_legs_are_mostly_out_of_the_picture(store):
    seen = np.asarray(store.visible)
    assert 0.0005 < (~seen.any(axis=1)).mean() < 0.05
    assert seen[:, store.skeleton.parts["legs"]].mean() < 0.5
    assert seen[:, store.skeleton.parts["trunk"]].mean() > 0.9


@pytest.fixture(scope="module")
def ridge():
    sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))
    import linear_ridge

    yield linear_ridge
    sys.path.pop(0)


def test_ridge_runs_on_a_store_without_validation_clips(ridge, store, tmp_path):
    with new_store(tmp_path / "tiny", store.skeleton, ("a", "b"), source={}, importer="test") as writer:
        for row in range(24):
            part = slice(store.offsets[row], store.offsets[row + 1])
            split = "test" if row >= 18 else "train"
            clip = Clip(frames=store.frames[part], visible=store.visible[part], label=row % 2, id=str(row), split=split)
            writer.add(clip)
    result = ridge.fit_and_test(ClipStore(tmp_path / "tiny"))
    assert result.clips == (14, 4, 6)
    assert 0 <= result.interval[0] <= result.test <= result.interval[1] <= 1
