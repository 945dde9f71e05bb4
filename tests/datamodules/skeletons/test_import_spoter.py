"""SPOTER tables written by pandas as its authors did: read back as its code reads them, faults and mutated bytes."""

import ast
import csv
import gzip
import io
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import prepare
from datamodules.skeletons.importers import Options, spoter
from schemas.errors import DataError
from schemas.skeleton import load_layout
from tests.datamodules.skeletons.import_clips import read_clips, store_bytes, write_files
from tests.datamodules.skeletons.import_fuzz import damaged, fuzz, only_clean_reads

BODY = """nose neck rightEye leftEye rightEar leftEar rightShoulder leftShoulder rightElbow leftElbow rightWrist
leftWrist"""
HAND = """wrist indexTip indexDIP indexPIP indexMCP middleTip middleDIP middlePIP middleMCP ringTip ringDIP ringPIP
ringMCP littleTip littleDIP littlePIP littleMCP thumbTip thumbIP thumbMP thumbCMC"""
LANDMARKS = BODY.split() + [f"{joint}_{side}" for side in ("left", "right") for joint in HAND.split()]


def table(rows: int = 4, seed: int = 0, **changes) -> pd.DataFrame:
    """Clips of 1, 2 ... frames, numbers of all their bits; columns in alphabetic order, as SPOTER's are."""
    rng = np.random.default_rng(seed)
    columns = {
        f"{landmark}_{axis}": [str(rng.uniform(0.01, 1, n + 1).tolist()) for n in range(rows)]
        for landmark in LANDMARKS
        for axis in "XY"
    }
    columns |= {"labels": [n % 2 + 9 for n in range(rows)], "video_fps": 25.0, "video_size_width": 256.0}
    return pd.DataFrame(columns | changes).sort_index(axis=1)


def written(folder: Path, frame: pd.DataFrame, name: str = "WLASL100_train_25fps.csv") -> Path:
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / name, index=False)
    return folder / name


@pytest.mark.parametrize("name", ["signs_val.csv", "signs_val.CSV.gz"])
def test_clips_come_back_as_spoters_own_code_reads_them(name, tmp_path):
    frame = table()
    path = written(tmp_path, frame, "signs_val.csv")
    if name != path.name:
        (tmp_path / name).write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    reading, clips = read_clips("spoter", tmp_path / name)
    assert reading.classes == ("9", "10") and reading.total == 4 and reading.coordinates == 2
    assert list(clips) == [f"signs_val_{n:05d}" for n in range(4)]
    for (_, row), clip in zip(frame.iterrows(), clips.values(), strict=True):
        columns = [[ast.literal_eval(row[f"{name}_{axis}"]) for axis in "XY"] for name in LANDMARKS]
        np.testing.assert_array_equal(clip.frames, np.array(columns, np.float32).transpose(2, 0, 1))
        assert clip.visible.all() and clip.split == "val"
        assert reading.classes[clip.label] == str(row["labels"])


def test_the_layout_names_each_landmark_as_its_column_does(tmp_path):
    reading, _ = read_clips("spoter", written(tmp_path, table(1)))
    words = {"little": "pinky", "Tip": "_tip", "DIP": "_dip", "PIP": "_pip", "MCP": "_mcp", "CMC": "_cmc"}
    words |= {"MP": "_mcp", "IP": "_ip", "Eye": "_eye", "Ear": "_ear", "Shoulder": "_shoulder", "Elbow": "_elbow"}
    for landmark, joint in zip(LANDMARKS, reading.layout.joints, strict=True):
        name, _, side = landmark.partition("_")
        for old, new in (words | {"Wrist": "_wrist"}).items():
            name = name.replace(old, new)
        assert joint == (f"{side}_hand_{name}" if side else name)
    skeleton = reading.layout
    assert len(skeleton.bones) == 53 and len(skeleton.flip_pairs) == 26
    other = load_layout("pose_hands75")
    hands = [{(a.joints[c], a.joints[p]) for c, p in a.bones if "hand_" in a.joints[p]} for a in (skeleton, other)]
    assert hands[0] == hands[1] and len(hands[0]) == 40


def test_zeros_and_nan_were_not_seen_and_the_neck_may_be_absent(tmp_path):
    frame = table(1).drop(columns=["neck_X", "neck_Y"])
    cells = {"nose_X": "[0]", "nose_Y": "[0.0]", "rightEye_X": "[0]", "leftEye_Y": "[nan]", "leftEye_X": "[ .5 ]"}
    _, clips = read_clips("spoter", written(tmp_path, frame.assign(**cells)))
    (clip,) = clips.values()
    assert np.flatnonzero(~clip.visible[0]).tolist() == [LANDMARKS.index(n) for n in ("nose", "neck", "leftEye")]


def test_a_folder_is_split_by_the_names_of_its_files_and_sides_may_be_numbers(tmp_path):
    for number, part in enumerate(("train", "val", "test")):
        written(tmp_path, table(2, number), f"WLASL100_{part}_25fps.csv")
    numbered = table(2, 3).rename(columns=lambda name: name.replace("_left_", "_0_").replace("_right_", "_1_"))
    written(tmp_path, numbered, "contrast.csv")
    write_files(tmp_path, {"notes.txt": "x", "._x.csv": "x"})
    reading, clips = read_clips("spoter", tmp_path)
    assert [clip.split for clip in clips.values()] == ["test", "test", "train", "train", "val", "val", "train", "train"]
    assert reading.total == 8
    tip = clips["contrast_00001"].frames[:, LANDMARKS.index("indexTip_right"), 0]
    np.testing.assert_array_equal(tip, np.float32(ast.literal_eval(numbered["indexTip_1_X"][1])))
    one, two = (store_bytes("spoter", tmp_path, tmp_path.parent / name / "s") for name in ("one", "two"))
    assert one == two


def test_class_names_come_from_a_file_of_lines(tmp_path):
    (tmp_path / "names.txt").write_text("book\ndrink\ncomputer\n")
    source = written(tmp_path / "in", table(labels=[2, 0, 0, 2]))
    reading, clips = read_clips("spoter", source, labels=tmp_path / "names.txt")
    assert [reading.classes[clip.label] for clip in clips.values()] == ["computer", "book", "book", "computer"]
    assert reading.source["sha256"] != read_clips("spoter", source)[0].source["sha256"]


def test_to_predict_no_labels_are_needed(tmp_path):
    frame = table()
    source = written(tmp_path, frame.drop(columns="labels"))
    reading = spoter.read_unlabelled(source, Options(), load_layout("hands42"))
    clips = list(reading.clips)
    assert reading.total == len(clips) == 4 and {clip.label for clip in clips} == {0}
    with pytest.raises(DataError, match="no column 'labels'"):
        read_clips("spoter", source)


def test_memory_does_not_grow_with_the_rows(tmp_path):
    sizes = []
    for rows in (4, 40):
        frame = pd.concat([table(1)] * rows)
        source = written(tmp_path, frame)
        tracemalloc.start()
        assert sum(1 for _ in spoter.read(source, Options()).clips) == rows
        sizes.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert sizes[1] < sizes[0] + 100_000


def test_inspect_names_the_command(door, tmp_path):
    code, out, _ = door(prepare.main)(f"inspect={written(tmp_path, table())}")
    assert code == 0 and "format spoter" in out and "4 clips, 2 classes: 9, 10" in out and "54 joints in 2D" in out
    assert "as a log" not in out and "format=spoter" in out


BAD = {
    "another number of frames": ({"leftEar_Y": "[1]"}, r"csv, line 3: leftEar_Y has 1 values, nose_X has 2"),
    "a number": ({"leftEar_Y": 0.5}, r"line 2: leftEar_Y is '0\.5' \(it must be a list"),
    "no list": ({"leftEar_Y": "0.5, 0.6"}, r"line 2: leftEar_Y is '0\.5, 0\.6'"),
    "numpy's text": ({"leftEar_Y": "[0.5 0.6]"}, "line 2: leftEar_Y is .*could not convert"),
    "a call": ({"leftEar_Y": "[__import__('os')]"}, "line 2: leftEar_Y is .*could not convert"),
    "None": ({"leftEar_Y": "[None]"}, "line 2: leftEar_Y is .*could not convert"),
    "no frames": ({"leftEar_Y": "[]"}, r"line 2: leftEar_Y is '\[\]'"),
    "an empty cell": ({"leftEar_Y": ""}, "line 2: it has no leftEar_Y"),
    "infinite": ({"leftEar_Y": "[1e99]"}, "line 2: leftEar_Y is .*infinite as float32"),
    "endless": ({"leftEar_Y": f"[{'1,' * 10_001}1]"}, "line 2: leftEar_Y is .*1 to 10,000 numbers"),
    "too long a cell": ({"leftEar_Y": f"[{'0.123456789, ' * 11_000}1]"}, "line 2: .*may have 131,072 characters"),
    "no label": ({"labels": ["1", None, "1", "1"]}, "line 3: it has no labels"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_cell_is_named_by_row_and_column(case, tmp_path):
    changes, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        read_clips("spoter", written(tmp_path, table(**changes)))
    assert len(str(caught.value).splitlines()) == 1


FILES = {
    "no column": (table(1).drop(columns=["nose_X", "nose_Y"]), "no column 'nose_X' and 1 more that SPOTER has"),
    "no rows": (table(1)[:0], "it has no row below"),
    "another table": (pd.DataFrame({"case": ["a"], "time": [1]}), "no column 'labels' and 106 more"),
    "half a neck": (table(1).assign(neck_X="[1]").drop(columns="neck_Y", errors="ignore"), "one of the columns neck_X"),
    "a column twice": (table(1).assign(wrist_0_X="[1]"), "the column 'wrist_left_X' twice"),
}


@pytest.mark.parametrize("case", FILES)
def test_another_table_is_refused(case, tmp_path):
    frame, message = FILES[case]
    with pytest.raises(DataError, match=message):
        read_clips("spoter", written(tmp_path, frame))


def test_blank_lines_are_no_rows(tmp_path):
    sound = written(tmp_path / "x", table()).read_bytes()
    (tmp_path / "a.csv").write_bytes(sound + b"\n \n")
    assert len(read_clips("spoter", tmp_path / "a.csv")[1]) == 4


def test_files_that_cannot_be_read_are_named(tmp_path):
    sound = written(tmp_path / "x", table()).read_bytes()
    for name, content, message in (
        ("a.csv", sound.replace(b"0.9", b"\xff.9", 1), "a.csv: it cannot be read as CSV in UTF-8"),
        ("b.csv.gz", gzip.compress(sound)[:-50], r"b\.csv\.gz: it cannot be read"),
        ("c.csv", sound + b"1,2\n", "line 6: it has 2 cells for 111 columns"),
        ("d.txt", sound, r"it is no \.csv"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_clips("spoter", tmp_path / name)
    write_files(tmp_path / "y", {"a.csv": sound, "a.csv.gz": gzip.compress(sound)})
    for source, message in ((tmp_path / "y", r"a\.csv is there twice"), (tmp_path / "z", "no such file or folder")):
        with pytest.raises(DataError, match=message):
            read_clips("spoter", source)


SMALL = table(2).to_csv(index=False).encode()


@fuzz
@given(data=st.data())
def test_fuzz_spoter(data):
    only_clean_reads("spoter", {"a_test.csv": data.draw(damaged(SMALL))})


CELLS = st.one_of(st.text("[]0123456789.,e+-naif _'\"", max_size=12), st.lists(st.floats(), max_size=3).map(str))


@fuzz
@given(cell=CELLS, label=st.text(max_size=4), row=st.integers(0, 1))
def test_fuzz_spoter_cells(cell, label, row):
    rows = list(csv.DictReader(io.StringIO(SMALL.decode())))
    rows[row] |= {"nose_X": cell, "labels": label}
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    only_clean_reads("spoter", {"a.csv": text.getvalue().encode(errors="replace")})
