"""Google ISLR parquet: round trips of made-up landmarks, signs and signers, and files that are not what they claim."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.skeletons.importers import Options, islr
from schemas.errors import DataError
from schemas.skeleton import load_layout
from tests.datamodules.skeletons.import_clips import made_up, read_clips, store_bytes, write_files, write_zip
from tests.datamodules.skeletons.import_fuzz import damaged, damaged_footer, fuzz, only_clean_reads

PARTS = {"face": 468, "left_hand": 21, "pose": 33, "right_hand": 21}
KINDS = [kind for kind, count in PARTS.items() for _ in range(count)]
INDEXES = [index for count in PARTS.values() for index in range(count)]


def columns(landmarks: np.ndarray, first: int = 20) -> dict[str, pa.Array]:
    """The columns of a clip's [T, 543, 3] landmarks, their frames numbered from `first`."""
    T = len(landmarks)
    frame = np.repeat(np.arange(first, first + T, dtype=np.int16), 543)
    rows = list(zip(frame.tolist(), KINDS * T, INDEXES * T, strict=True))
    return {
        "frame": pa.array(frame),
        "row_id": pa.array([f"{number}-{kind}-{index}" for number, kind, index in rows]),
        "type": pa.array(KINDS * T),
        "landmark_index": pa.array(np.array(INDEXES * T, dtype=np.int16)),
    } | {axis: pa.array(landmarks[..., i].ravel().astype(np.float64)) for i, axis in enumerate("xyz")}


def parquet(table: dict[str, pa.Array], **options) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(table), file, **options)
    return file.getvalue()


def part(landmarks: np.ndarray, kind: str) -> np.ndarray:
    return landmarks[:, [row for row, other in enumerate(KINDS) if other == kind]]


CLIPS = {"100": made_up(1, 3, 543, 3), "200": made_up(2, 1, 543, 3)}
TABLE = (
    "path,participant_id,sequence_id,sign\n"
    "train_landmark_files/26734/100.parquet,26734,100,wait\ntrain_landmark_files/28656/200.parquet,28656,200,blow\n"
)
FILES = {
    "train.csv": TABLE,
    "train_landmark_files/26734/100.parquet": parquet(columns(CLIPS["100"])),
    "train_landmark_files/28656/200.parquet": parquet(columns(CLIPS["200"])),
    "sign_to_prediction_index_map.json": json.dumps({"wait": 1, "TV": 0, "blow": 2}),
}
A = "train_landmark_files/26734/100.parquet"


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("inside", ["", "asl-signs/"])
def test_pose_and_hands_come_back_to_the_bit(form, inside, tmp_path):
    files = {inside + name: content for name, content in FILES.items()}
    source = write_zip(tmp_path / "asl.zip", files) if form == "zip" else write_files(tmp_path / "asl", files)
    reading, clips = read_clips("islr", source)
    assert reading.classes == ("TV", "wait", "blow") and list(clips) == ["26734_100", "28656_200"]
    assert [(c.label, c.split, c.groups) for c in clips.values()] == [
        (1, "train", {"signer": "26734"}),
        (2, "train", {"signer": "28656"}),
    ]
    for clip, landmarks in zip(clips.values(), CLIPS.values(), strict=True):
        expected = np.concatenate([part(landmarks, kind) for kind in ("pose", "left_hand", "right_hand")], axis=1)
        np.testing.assert_array_equal(clip.frames, expected)
        assert clip.visible.all()


def test_landmarks_stand_at_the_joints_of_their_names(tmp_path):
    """The wrist is landmark 0 of a hand and 15 of the pose, the right index finger's tip landmark 8 of its hand."""
    _, clips = read_clips("islr", write_files(tmp_path, FILES))
    joint = load_layout("pose_hands75").joints.index
    for name, kind, index in [
        ("nose", "pose", 0),
        ("left_wrist", "pose", 15),
        ("left_hand_wrist", "left_hand", 0),
        ("right_hand_index_tip", "right_hand", 8),
    ]:
        np.testing.assert_array_equal(clips["26734_100"].frames[:, joint(name)], part(CLIPS["100"], kind)[:, index])


@pytest.mark.parametrize("how", ["NaN", "null"])
def test_what_is_missing_is_not_seen(how, tmp_path):
    landmarks = CLIPS["100"].copy()
    landmarks[1, 468:489] = landmarks[2, 500, 0] = np.nan
    table = columns(landmarks)
    if how == "null":
        table |= {axis: pa.array(table[axis].to_numpy(), from_pandas=True) for axis in "xyz"}
    _, clips = read_clips("islr", write_files(tmp_path, FILES | {A: parquet(table)}))
    expected = np.ones((3, 75), dtype=bool)
    expected[1, 33:54] = expected[2, 11] = False
    np.testing.assert_array_equal(clips["26734_100"].visible, expected)


def test_without_a_map_signs_stand_in_the_alphabets_order_and_unlisted_files_are_counted(tmp_path):
    files = {name: content for name, content in FILES.items() if "map" not in name} | {"other/1.parquet": b"unread"}
    reading, _ = read_clips("islr", write_files(tmp_path, files))
    assert reading.classes == ("blow", "wait") and reading.skipped == {"not listed in train.csv": 1}


def test_row_groups_codes_and_codecs_do_not_matter(tmp_path):
    table = columns(CLIPS["100"]) | {"type": pa.array(KINDS * 3).dictionary_encode()}
    content = parquet(table, row_group_size=400, compression="zstd", use_dictionary=True)
    _, clips = read_clips("islr", write_files(tmp_path, FILES | {A: content}))
    np.testing.assert_array_equal(clips["26734_100"].frames[:, :33], part(CLIPS["100"], "pose"))


def test_the_same_source_gives_the_same_bytes(tmp_path):
    source = write_files(tmp_path / "source", FILES)
    assert store_bytes("islr", source, tmp_path / "one/s") == store_bytes("islr", source, tmp_path / "two/s")


def test_without_train_csv_every_parquet_file_is_a_clip(tmp_path):
    landmarks = CLIPS["100"].copy()
    landmarks[1, 468:489] = np.nan
    files = FILES | {A: parquet(columns(landmarks))}
    _, expected = read_clips("islr", write_files(tmp_path / "labelled", files))
    source = write_files(tmp_path / "own", {name: content for name, content in files.items() if "parquet" in name})
    reading = islr.read_unlabelled(source, Options(), load_layout("pose_hands75"))
    clips = list(reading.clips)
    assert [clip.id for clip in clips] == ["26734/100", "28656/200"] and reading.total == 2
    for clip, labelled in zip(clips, expected.values(), strict=True):
        np.testing.assert_array_equal(clip.frames, labelled.frames)
        np.testing.assert_array_equal(clip.visible, labelled.visible)
    (one,) = islr.read_unlabelled(source / A, Options(), load_layout("pose_hands75")).clips
    np.testing.assert_array_equal(one.frames, clips[0].frames)


def without(count: int) -> bytes:
    return parquet({name: column[count:] for name, column in columns(CLIPS["100"]).items()})


def with_column(**changes) -> bytes:
    return parquet(columns(CLIPS["100"]) | changes)


def swapped() -> bytes:
    """Two landmarks of a frame in the other order."""
    order = pa.array([1, 0, *range(2, 3 * 543)])
    return parquet({name: column.take(order) for name, column in columns(CLIPS["100"]).items()})


def equal_rows(count: int) -> bytes:
    """Few bytes that unpack to many."""
    return parquet(dict.fromkeys(("frame", "type", "landmark_index", *"xyz"), pa.array(np.zeros(count))))


MAP = "sign_to_prediction_index_map.json"
FRAMES = columns(CLIPS["100"])["frame"].to_numpy()
BAD = {
    "not parquet": ({A: b"PAR1 something PAR1"}, f"{A}: it is not a parquet file"),
    "truncated": ({A: FILES[A][:-50]}, f"{A}: it is not a parquet file"),
    "empty": ({A: b""}, f"{A}: it is not a parquet file"),
    "column": ({A: parquet({"x": pa.array([1.0] * 543)})}, f"{A}: .*no column frame, landmark_index, type, y, z"),
    "half a frame": ({A: without(100)}, f"{A}: .*1,529 rows"),
    "no rows": ({A: without(3 * 543)}, f"{A}: .*0 rows"),
    "order": ({A: swapped()}, f"{A}: the rows of a frame are not face 468"),
    "another part": ({A: with_column(type=pa.array(["body"] * 1629))}, f"{A}: the rows of a frame"),
    "frames": ({A: with_column(frame=pa.array(FRAMES[::-1]))}, f"{A}: its frames are not 543 rows each"),
    "words": ({A: with_column(x=pa.array(["far"] * 1629))}, f"{A}: it is not a parquet file"),
    "lists": ({A: with_column(frame=pa.array([[1]] * 1629))}, f"{A}: (it is not a parquet file|its frames)"),
    "infinite": ({A: with_column(z=pa.array([np.inf] * 1629))}, f"{A}: frame 0, joint 0 is not a finite number"),
    "too many": ({A: equal_rows(543 * 20_001)}, f"{A}: .*10,860,543 rows"),
    "no table": ({"train.csv": None}, "must be one train.csv"),
    "not listed": ({"train.csv": TABLE.replace("/100", "/300")}, "train.csv, line 2: there is no file .*300.parquet"),
    "outside": ({"train.csv": TABLE.replace("train_l", "../l")}, "train.csv, line 2: there is no file"),
    "no sign": ({"train.csv": TABLE.replace("wait", "")}, "train.csv, line 2: it has no sign"),
    "unknown sign": ({"train.csv": TABLE.replace("wait", "cat")}, "line 2: sign 'cat' has no label"),
    "gap": ({MAP: '{"wait": 0, "blow": 2}'}, f"{MAP}: .*without a gap"),
    "no map": ({MAP: "[1]"}, f"{MAP}: it is not JSON of the form"),
    "labels of text": ({MAP: '{"wait": "a", "blow": 1}'}, f"{MAP}: it is not JSON of the form"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named(case, tmp_path):
    changes, message = BAD[case]
    files = {name: content for name, content in (FILES | changes).items() if content is not None}
    with pytest.raises(DataError, match=message):
        read_clips("islr", write_files(tmp_path, files))


SMALL = {"train.csv": b"path,participant_id,sequence_id,sign\na.parquet,1,2,wait\n"} | {
    "a.parquet": parquet(columns(np.ones((1, 543, 3)))),
    "sign_to_prediction_index_map.json": b'{"wait": 0}',
}


@fuzz
@given(data=st.data())
def test_fuzz_islr(data):
    name = data.draw(st.sampled_from(sorted(SMALL)))
    only_clean_reads("islr", SMALL | {name: data.draw(damaged(SMALL[name]))})


@fuzz
@given(data=st.data())
def test_fuzz_islr_footer(data):
    only_clean_reads("islr", SMALL | {"a.parquet": data.draw(damaged_footer(SMALL["a.parquet"]))})
