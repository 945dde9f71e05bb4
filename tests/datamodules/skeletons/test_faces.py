"""What `faces` promises: its words, its extra channels, its splits, and the same bytes from the same seed."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from datamodules.skeletons.generators import mouths
from datamodules.skeletons.generators.faces import EXTRA, MEASURES, speaker_clips, write_faces
from datamodules.skeletons.store import ClipStore
from datamodules.skeletons.store_writer import SPLITS

SPEAKERS = 6


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    target = tmp_path_factory.mktemp("stores") / "faces"
    write_faces(target, speakers=SPEAKERS, takes=1)
    return ClipStore(target)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    for run in ("one", "two"):
        write_faces(tmp_path / run / "faces", seed=3, speakers=2, takes=1)
    write_faces(tmp_path / "other" / "faces", seed=4, speakers=2, takes=1)
    first = contents(tmp_path / "one" / "faces")
    assert contents(tmp_path / "two" / "faces") == first
    assert contents(tmp_path / "other" / "faces")["frames.bin"] != first["frames.bin"]


def test_words_are_100_distinct_sequences_of_3_to_6_visemes():
    assert len(set(mouths.WORDS)) == len(set(mouths.NAMES)) == 100
    assert {len(word) for word in mouths.WORDS} == {3, 4, 5, 6}
    assert all(a != b for word in mouths.WORDS for a, b in pairwise(word))


def test_visemes_are_far_apart_compared_with_the_speakers_habits():
    apart = np.abs(mouths.SHAPES[:, None] - mouths.SHAPES[None]).max(axis=-1)
    assert apart[~np.eye(len(apart), dtype=bool)].min() >= 0.3


def test_no_speaker_is_in_two_splits_and_every_split_has_all_classes(store):
    speaker, labels = np.asarray(store.groups["speaker"]), np.asarray(store.labels)
    speakers = [set(speaker[store.rows(split)]) for split in SPLITS]
    assert [len(s) for s in speakers] == [4, 1, 1] and len(set.union(*speakers)) == SPEAKERS
    for split in SPLITS:
        assert set(labels[store.rows(split)]) == set(range(100))


def test_store_is_whole_with_28_finite_extra_channels(store):
    store.verify()
    assert store.skeleton.name == "face62" and store.extra_channels == len(EXTRA) == 28
    assert np.isfinite(store.extra).all()
    assert (np.asarray(store.extra).std(axis=0) > 1e-3).all()
    assert store.lengths.min() >= 24 and store.lengths.max() <= 48
    assert store.header["source"]["extra_channels"] == list(EXTRA)


def test_measures_are_those_of_the_landmarks(store):
    whole = np.asarray(store.visible).all(axis=1)
    points, extra = np.asarray(store.frames)[whole], np.asarray(store.extra)[whole]
    name = store.skeleton.joints.index
    breadth = np.linalg.norm(points[:, name("right_jaw_00")] - points[:, name("left_jaw_00")], axis=-1)
    width = np.linalg.norm(points[:, name("right_outer_lip_4")] - points[:, name("left_outer_lip_4")], axis=-1)
    column = EXTRA.index("mouth_width")
    assert MEASURES[0] == "mouth_width"
    assert np.allclose(extra[:, column], width / breadth, atol=1e-3)


def test_mouths_open_where_the_viseme_says_so():
    face = mouths.landmarks(mouths.SHAPES, mouths.FaceProportions(1, 1, 1, 1, 1))
    joint = mouths.LAYOUT.joints.index
    gap = face[:, joint("right_inner_lip_0"), 1] - face[:, joint("right_inner_lip_7"), 1]
    width = np.ptp(face[:, mouths.LAYOUT.parts["outer_lip"], 0], axis=1)
    order = dict(zip(mouths.VISEMES, gap, strict=True))
    assert order["closed"] < order["smile"] < order["mid"] < order["open"]
    assert (gap > 0).all()
    assert width.argmin() == mouths.VISEMES.index("kiss") and width.argmax() == mouths.VISEMES.index("smile")


def test_faces_are_symmetric_before_the_camera():
    face = speaker_clips(0, takes=1).joints
    assert np.allclose(face[:, mouths.LAYOUT.flip_index] * (-1, 1, 1), face)
