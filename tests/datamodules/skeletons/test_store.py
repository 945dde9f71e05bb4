"""The clip store gives back what was put in, and says so when it cannot."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.skeletons.store import ClipStore
from datamodules.skeletons.store_writer import Clip, new_store
from schemas.errors import DataError
from schemas.skeleton import Skeleton
from storage import fingerprint

SKELETON = Skeleton("stick", ("top", "middle", "end"), bones=((1, 0), (2, 1)))
CLASSES = ("wave", "nod")


def write(target: Path, clips: list[Clip], extra: int = 0) -> ClipStore:
    source = {"description": "made up", "sha256": "0"}
    with new_store(target, SKELETON, CLASSES, source=source, importer="test 1", extra=extra) as writer:
        for clip in clips:
            writer.add(clip)
    return ClipStore(target)


def random_clips(seed: int, lengths: list[int], extra: int = 0, share_seen: float = 0.7) -> list[Clip]:
    rng = np.random.default_rng(seed)
    return [
        Clip(
            frames=rng.normal(size=(length, 3, 3)).astype(np.float32),
            visible=rng.random((length, 3)) < share_seen,
            extra=rng.normal(size=(length, extra)).astype(np.float32) if extra else None,
            label=int(rng.integers(2)),
            id=f"clip {i}",
            split=("train", "val", "test")[rng.integers(3)],
            groups={"subject": f"s{i % 3}"},
        )
        for i, length in enumerate(lengths)
    ]


@pytest.fixture
def store(tmp_path) -> ClipStore:
    return write(tmp_path / "store", random_clips(0, [3, 1, 7, 4], extra=2), extra=2)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    extra=st.sampled_from([0, 1, 4]),
    share_seen=st.sampled_from([0.0, 0.5, 1.0]),
    order=st.randoms(use_true_random=False),
)
def test_what_goes_in_comes_out(tmp_path_factory, seed, lengths, extra, share_seen, order):
    clips = random_clips(seed, lengths, extra, share_seen)
    store = write(tmp_path_factory.mktemp("property") / "store", clips, extra)
    rows = [order.randrange(len(clips)) for _ in range(5)]
    batch = store.gather(rows)
    longest = max(lengths[row] for row in rows)
    assert batch.joints.shape == (5, longest, 3, 3) and batch.visible.shape == (5, longest, 3)
    for i, row in enumerate(rows):
        clip, length = clips[row], lengths[row]
        assert (int(batch.length[i]), int(batch.label[i]), int(batch.clip_id[i])) == (length, clip.label, row)
        expected = np.where(clip.visible[..., None], clip.frames, 0)
        np.testing.assert_array_equal(batch.joints[i, :length].numpy(), expected)
        np.testing.assert_array_equal(batch.visible[i, :length].numpy(), clip.visible)
        assert not batch.joints[i, length:].any() and not batch.visible[i, length:].any()
        if extra:
            np.testing.assert_array_equal(batch.extra[i, :length].numpy(), clip.extra)
            assert not batch.extra[i, length:].any()
    assert [str(i) for i in store.ids] == [clip.id for clip in clips]
    assert [str(s) for s in store.groups["subject"]] == [clip.groups["subject"] for clip in clips]
    assert (batch.extra is None) == (extra == 0)
    for split in ("train", "val", "test"):
        assert [clips[row].split for row in store.rows(split)] == [split] * len(store.rows(split))
    assert sorted(np.concatenate([store.rows(s) for s in ("train", "val", "test")])) == list(range(len(clips)))
    store.verify()


def test_equal_contents_have_equal_bytes_and_fingerprints(tmp_path):
    one, two = (write(tmp_path / d / "store", random_clips(5, [2, 3])) for d in "ab")
    other = write(tmp_path / "c" / "store", random_clips(6, [2, 3]))
    assert one.fingerprint == two.fingerprint != other.fingerprint
    for path in one.folder.iterdir():
        assert path.read_bytes() == (two.folder / path.name).read_bytes()


def test_a_worker_gets_the_folder_and_not_the_frames(tmp_path):
    store = write(tmp_path / "store", random_clips(2, [500, 3]))
    sent = pickle.dumps(store)
    assert len(sent) < 1000 < store.frames.nbytes
    assert pickle.loads(sent).gather([1]).joints.equal(store.gather([1]).joints)


def frames(length=2, joints=3, coordinates=3) -> np.ndarray:
    return np.ones((length, joints, coordinates), dtype=np.float32)


def spoilt(value: float) -> np.ndarray:
    values = frames()
    values[1, 2, 0] = value
    return values


BAD_CLIPS = {
    "NaN": (Clip(spoilt(np.nan), 0, "bad"), "frame 1, joint 'end'"),
    "infinity": (Clip(spoilt(np.inf), 0, "bad"), "frame 1, joint 'end'"),
    "no frames": (Clip(frames(0), 0, "bad"), "no frames"),
    "label too large": (Clip(frames(), 2, "bad"), "label 2 is outside 0 to 1"),
    "negative label": (Clip(frames(), -1, "bad"), "label -1"),
    "joints": (Clip(frames(joints=4), 0, "bad"), "3 joints"),
    "coordinates": (Clip(frames(coordinates=2), 0, "bad"), "3 coordinates"),
    "not three axes": (Clip(frames()[0], 0, "bad"), "shape"),
    "split": (Clip(frames(), 0, "bad", split="dev"), "split 'dev'"),
    "visible": (Clip(frames(), 0, "bad", visible=np.ones((3, 3), bool)), "visible"),
    "groups": (Clip(frames(), 0, "bad", groups={"camera": "1"}), "groups"),
    "extra that nobody announced": (Clip(frames(), 0, "bad", extra=np.ones((2, 1))), "extra channels"),
    "id of another clip": (Clip(frames(), 0, "good"), "two clips have this id"),
}


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("case", BAD_CLIPS)
def test_a_bad_clip_is_named_and_nothing_is_left(case, older, tmp_path):
    target = tmp_path / "store"
    before = write(target, random_clips(1, [2])).fingerprint if older else None
    clip, message = BAD_CLIPS[case]
    with pytest.raises(DataError, match=message) as caught:
        write(target, [Clip(frames(), 1, "good"), clip])
    assert f"store, clip {clip.id!r}" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == (["store"] if older else [])
    if older:
        assert ClipStore(target).fingerprint == before


@pytest.mark.parametrize("extra", [None, np.ones(2), np.ones((2, 1)), np.ones((3, 2)), np.ones((2, 1, 2))])
def test_extra_channels_of_another_shape_are_refused(extra, tmp_path):
    with pytest.raises(DataError, match=r"extra channels do not have the shape \[2, 2\]"):
        write(tmp_path / "store", [Clip(frames(), 0, "bad", extra=extra)], extra=2)


def test_a_nan_that_was_not_seen_is_dropped(tmp_path):
    seen = np.ones((2, 3), dtype=bool)
    seen[1, 2] = False
    store = write(tmp_path / "store", [Clip(spoilt(np.nan), 0, "one", visible=seen)])
    assert store.gather([0]).joints.isfinite().all()


def test_a_store_of_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match="no clip to store"):
        write(tmp_path / "store", [])
    assert not list(tmp_path.iterdir())


def flip_byte(path: Path, at: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def test_every_meaningful_byte_of_the_header_is_guarded(store):
    path = store.folder / "meta.json"
    sound, damaged = path.read_bytes(), 0
    for at in range(0, len(sound), 23):
        flip_byte(path, at)
        try:
            opened = ClipStore(store.folder)
            assert opened.header == store.header  # a byte of white space
        except DataError as error:
            damaged += "meta.json" in str(error)
        path.write_bytes(sound)
    assert damaged > len(sound) // 46


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"checksum": "0"}', "null"])
def test_a_header_that_is_none_is_refused(store, text):
    (store.folder / "meta.json").write_text(text)
    with pytest.raises(DataError, match=r"meta\.json"):
        ClipStore(store.folder)


STRANGE_HEADERS = {
    "nothing": {"frames": None},
    "objects": {"labels": {"dtype": "object", "shape": [4]}},  # would read numbers as pointers
    "objects as ids": {"ids": {"dtype": "|O", "shape": [12]}},
    "no dtype": {"labels": {"dtype": "no such", "shape": [4]}},
    "fewer labels": {"labels": {"dtype": "<i8", "shape": [2, 2]}},
    "negative shape": {"labels": {"dtype": "<i8", "shape": [-2, -2]}},
    "other joints": {"frames": {"dtype": "<f4", "shape": [45, 1, 3]}},
}


@pytest.mark.parametrize("case", STRANGE_HEADERS)
def test_a_header_that_does_not_describe_its_files_is_refused(store, case):
    header = dict(store.header, files=store.header["files"] | STRANGE_HEADERS[case])
    header["checksum"] = fingerprint.of_json(header)
    (store.folder / "meta.json").write_text(json.dumps(header))
    with pytest.raises(DataError, match="Import or generate the store again"):
        ClipStore(store.folder)


def test_a_store_of_a_later_format_is_refused(store):
    header = dict(store.header, format=2)
    header["checksum"] = fingerprint.of_json(header)
    (store.folder / "meta.json").write_text(json.dumps(header))
    with pytest.raises(DataError, match="format 2"):
        ClipStore(store.folder)


COLUMNS = ("frames", "visible", "extra", "offsets", "labels", "splits", "ids", "group_subject")


@pytest.mark.parametrize("column", COLUMNS)
def test_a_truncated_column_is_named(store, column):
    path = store.folder / f"{column}.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=rf"{column}\.bin: it has [\d,]+ bytes, the header says [\d,]+\. Import"):
        ClipStore(store.folder)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(store, column):
    (store.folder / f"{column}.bin").unlink()
    with pytest.raises(DataError, match=rf"{column}\.bin: it is missing"):
        ClipStore(store.folder)


@pytest.mark.parametrize("offsets", [[0, 3, 3, 11, 15], [0, 3, 2, 11, 15], [1, 3, 4, 11, 15], [0, 3, 4, 11, 14]])
def test_offsets_that_do_not_rise_to_the_end_are_refused(store, offsets):
    (store.folder / "offsets.bin").write_bytes(np.asarray(offsets, dtype="<i8").tobytes())
    with pytest.raises(DataError, match=r"offsets\.bin"):
        ClipStore(store.folder)


def test_a_label_without_a_class_is_refused(store):
    (store.folder / "labels.bin").write_bytes(np.asarray([0, 1, 2, 0], dtype="<i8").tobytes())
    with pytest.raises(DataError, match="clip 'clip 2' has label 2 of 2 classes"):
        ClipStore(store.folder)


def test_a_split_that_does_not_exist_is_refused(store):
    (store.folder / "splits.bin").write_bytes(bytes([0, 3, 0, 0]))
    with pytest.raises(DataError, match="clip 'clip 1' is in no known split"):
        ClipStore(store.folder)


@pytest.mark.parametrize("column", COLUMNS)
def test_verify_finds_one_flipped_byte(store, column):
    flip_byte(store.folder / f"{column}.bin", 0)
    with pytest.raises(DataError, match=rf"{column}\.bin"):
        ClipStore(store.folder).verify()


def test_no_store_says_how_to_make_one(tmp_path):
    with pytest.raises(DataError, match=r"no clip store here.*prepare\.py"):
        ClipStore(tmp_path / "nowhere")
