"""A folder of .npy files with a CSV of labels: round trips, what a table says, files that are not what they claim."""

import io
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.skeletons.importers import Options, npy_folder
from datamodules.skeletons.store_writer import new_store
from schemas.errors import ConfigError, DataError
from schemas.skeleton import load_layout
from tests.datamodules.skeletons.import_clips import (
    made_up,
    read_clips,
    store_bytes,
    ucla_clips,
    write_files,
    write_zip,
)
from tests.datamodules.skeletons.import_fuzz import damaged, fuzz, only_clean_reads


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asanyarray(array), version=version)
    return file.getvalue()


CLIPS = {"b": made_up(1, 4, 42, 3), "a": made_up(2, 1, 42, 3), "c": made_up(3, 2, 42, 3)}
TABLE = "file,label,split,signer\nb.npy,yes,train,anna\na.npy,no,val,ben\nc,yes,test,anna\n"
FILES = {f"{name}.npy": npy(array) for name, array in CLIPS.items()} | {"labels.csv": TABLE}


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("inside", ["", "clips of mine/"])
def test_made_up_clips_come_back_to_the_bit(form, inside, tmp_path):
    files = {inside + name: content for name, content in FILES.items()}
    source = write_zip(tmp_path / "own.zip", files) if form == "zip" else write_files(tmp_path / "own", files)
    reading, clips = read_clips("npy_folder", source)
    assert reading.layout.name == "hands42" and reading.classes == ("no", "yes")
    assert list(clips) == ["a", "b", "c"] and reading.total == 3 and not reading.skipped
    for name, clip in clips.items():
        assert clip.frames.dtype == np.float32 and clip.visible.all()
        np.testing.assert_array_equal(clip.frames, CLIPS[name])
    assert [(clip.label, clip.split) for clip in clips.values()] == [(0, "val"), (1, "train"), (1, "test")]
    assert clips["b"].groups == {"signer": "anna"}


@pytest.mark.slow
def test_ucla_as_a_folder_is_the_same_store(tmp_path):
    ucla = ucla_clips()
    groups = ("subject", "camera", "repetition")
    rows = [[name, str(c.label), c.split, *(c.groups[group] for group in groups)] for name, c in ucla.items()]
    table = "\n".join(map(",".join, [["id", "label", "split", *groups], *rows]))
    unseen = {name: np.where(clip.visible[..., None], clip.frames, np.nan) for name, clip in ucla.items()}
    source = write_files(tmp_path / "own", {f"{name}.npy": npy(array) for name, array in unseen.items()})
    write_files(source, {"labels.csv": table})
    written = store_bytes("npy_folder", source, tmp_path / "one/s")
    with new_store(tmp_path / "two/s", load_layout("kinect20"), [*"0123456789"], source={}, importer="") as writer:
        for clip in ucla.values():
            writer.add(clip)
    columns = [path for path in (tmp_path / "two/s").iterdir() if path.suffix == ".bin"]
    assert len(columns) == 9 and all(path.read_bytes() == written[path.name] for path in columns)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", "<i2", "|u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_kind_of_number_is_read(dtype, order, version, tmp_path):
    array = np.asarray(np.arange(1, 2 * 25 * 2 + 1).reshape(2, 25, 2), dtype=dtype, order=order)
    _, clips = read_clips(
        "npy_folder", write_files(tmp_path, {"x.npy": npy(array, version), "labels.csv": "id,label\nx,1"})
    )
    np.testing.assert_array_equal(clips["x"].frames, array.astype(np.float32))


def test_nan_alone_says_that_a_joint_was_not_seen(tmp_path):
    """Zeros are coordinates here, as they are to `load_run(...).predict`, in a .npz and in an exported model."""
    array = made_up(1, 3, 25, 3)
    array[0, 4, 1], array[1, 5], array[2, 6, 0] = np.nan, 0, 0
    _, clips = read_clips("npy_folder", write_files(tmp_path, {"x.npy": npy(array), "labels.csv": "file,label\nx,1"}))
    assert np.argwhere(~clips["x"].visible).tolist() == [[0, 4]]


def test_labels_may_lie_elsewhere_and_name_paths(tmp_path):
    files = {f"top/{folder}/x.npy": npy(made_up(n, 1, 20, 3)) for n, folder in enumerate(("one", "two"))}
    source = write_files(tmp_path / "source", files | {"top/labels.csv": "not,read\n"})
    table = write_files(tmp_path, {"my.csv": "﻿id , label\r\ntop/two/x, 10\r\none/x.npy,9\r\n\r\n"}) / "my.csv"
    reading, clips = read_clips("npy_folder", source, labels=table)
    assert list(clips) == ["one/x", "two/x"] and reading.classes == ("9", "10")
    np.testing.assert_array_equal(clips["two/x"].frames, made_up(1, 1, 20, 3))
    assert [clip.split for clip in clips.values()] == ["train", "train"]
    table.write_text(table.read_text().replace("10", "11"))
    assert read_clips("npy_folder", source, labels=table)[0].source["sha256"] != reading.source["sha256"]


def test_of_one_file_to_predict_the_folder_around_it_is_not_walked(tmp_path, monkeypatch):
    source = write_files(tmp_path, {"a.npy": npy(CLIPS["a"]), "[b].NPY": npy(CLIPS["b"]), "c.npy": b"damaged"})
    monkeypatch.setattr(Path, "rglob", lambda *_: pytest.fail("the folder was walked"))
    for name in ("a", "b"):
        file = source / ("a.npy" if name == "a" else "[b].NPY")
        reading = npy_folder.read_unlabelled(file, Options(), load_layout("hands42"))
        (clip,) = reading.clips
        assert clip.id == file.stem and reading.total == 1
        np.testing.assert_array_equal(clip.frames, CLIPS[name])


def test_a_name_that_is_not_utf8_is_refused_before_anything_is_read(tmp_path):
    write_files(tmp_path, FILES)
    os.rename(os.fsencode(tmp_path / "c.npy"), os.fsencode(tmp_path) + b"/caf\xe9.npy")
    for source in (tmp_path, Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.npy"))):
        with pytest.raises(DataError, match=r"name of its file caf\\udce9\.npy is not UTF-8\. Rename") as caught:
            npy_folder.read_unlabelled(source, Options(), load_layout("hands42"))
        str(caught.value).encode()


def test_files_that_are_not_listed_are_counted(tmp_path):
    source = write_files(tmp_path, FILES | {"labels.csv": "file,label\nc,yes\n"})
    reading, clips = read_clips("npy_folder", source)
    assert list(clips) == ["c"] and reading.skipped == {"not listed in the labels": 2}


def test_a_layout_is_taken_where_it_must_be_and_checked(tmp_path):
    source = write_files(tmp_path, {"x.npy": npy(made_up(1, 2, 17, 2)), "labels.csv": "file,label\nx,1"})
    with pytest.raises(DataError, match=r"17 joints.*layout=NAME"):
        read_clips("npy_folder", source)
    reading, _ = read_clips("npy_folder", source, layout="coco17")
    assert reading.layout.name == "coco17" and reading.coordinates == 2
    with pytest.raises(DataError, match="layout 'ntu25' has 25"):
        read_clips("npy_folder", source, layout="ntu25")


def test_without_labels_it_says_what_a_table_is(tmp_path):
    with pytest.raises(ConfigError, match=r"labels=FILE\.csv.*columns are file, label"):
        read_clips("npy_folder", write_files(tmp_path, {"x.npy": npy(made_up(1, 2, 20, 3))}))


def test_the_same_source_gives_the_same_bytes(tmp_path):
    source = write_files(tmp_path / "source", FILES)
    one, two = (store_bytes("npy_folder", source, tmp_path / name / "s") for name in ("one", "two"))
    assert one == two


def test_a_header_that_claims_terabytes_is_refused_before_anything_is_allocated(tmp_path):
    claimed = FILES["a.npy"].replace(b"(1, 42, 3), }            ", b"(1000000000000, 42, 3), }")
    assert len(claimed) == len(FILES["a.npy"]) and claimed != FILES["a.npy"]
    source = write_files(tmp_path, FILES | {"a.npy": claimed})
    tracemalloc.start()
    with pytest.raises(DataError, match=r"a\.npy: not an array of joints: 504 bytes for the shape"):
        read_clips("npy_folder", source)
    assert tracemalloc.get_traced_memory()[1] < 1e8
    tracemalloc.stop()


def changed(name: str, at: tuple, value: float) -> bytes:
    array = CLIPS[name].copy()
    array[at] = value
    return npy(array)


def objects() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([[[{}]]], dtype=object), allow_pickle=True)
    return file.getvalue()


L = "labels.csv"
BAD = {
    "version": ({"a.npy": npy(CLIPS["a"], (3, 0))}, "a.npy: not an array of joints: version"),
    "not npy": ({"a.npy": b"PK\x03\x04"}, "a.npy: not an array of joints"),
    "truncated": ({"a.npy": FILES["a.npy"][:-4]}, "a.npy: .*500 bytes for the shape"),
    "longer": ({"a.npy": FILES["a.npy"] + b"1234"}, "a.npy: .*508 bytes for the shape"),
    "pickled": ({"a.npy": objects()}, "a.npy: .*object of shape"),
    "text": ({"a.npy": npy(np.array([[["x"]]]))}, "a.npy: .*must be numbers"),
    "complex": ({"a.npy": npy(CLIPS["a"].astype(complex))}, "a.npy: .*must be numbers"),
    "flat": ({"b.npy": npy(CLIPS["b"].reshape(4, 126))}, r"b.npy: .*shape \[4, 126\].*frames, joints, coordinates"),
    "four coordinates": ({"b.npy": npy(made_up(1, 4, 42, 4))}, "b.npy: .*C of 2 or 3"),
    "no frames": ({"b.npy": npy(CLIPS["b"][:0])}, r"b.npy: .*\[0, 42, 3\]"),
    "unlike the first": ({"c.npy": npy(made_up(1, 4, 20, 3))}, r"c.npy: its shape is \[4, 20, 3\], that of the first"),
    "infinite": ({"c.npy": changed("c", (1, 2, 0), np.inf)}, "c.npy: it holds a number that is infinite"),
    "not there": ({L: TABLE + "d,yes,test,anna\n"}, "line 5: there is no file 'd'.npy"),
    "outside": ({L: TABLE + "../c,yes,test,anna\n"}, r"line 5: there is no file '\.\./c'.npy"),
    "twice": ({L: TABLE + "c.npy,yes,test,anna\n"}, "line 5: 'c.npy' is listed twice"),
    "split": ({L: TABLE.replace("val", "dev")}, "line 3: split 'dev' is none of train, val, test"),
    "no label": ({L: TABLE.replace("no", "")}, "line 3: it has no label"),
    "no group": ({L: TABLE.replace("ben", "")}, "line 3: it has no signer"),
    "cells": ({L: TABLE.replace(",ben", "")}, "line 3: it has 3 cells for 4 columns"),
    "column": ({L: TABLE.replace("label", "class")}, "labels.csv: its columns are .*needed.*label"),
    "no file column": ({L: TABLE.replace("file", "name")}, "labels.csv: .*`file` and `id` there must be one"),
    "both columns": ({L: TABLE.replace("signer", "id")}, "labels.csv: .*`file` and `id` there must be one"),
    "column name": ({L: TABLE.replace("signer", "a/b")}, "labels.csv: column names .*'a/b' is not"),
    "column twice": ({L: TABLE.replace("signer", "label")}, "labels.csv: its columns are .*each once"),
    "semicolons": ({L: TABLE.replace(",", ";")}, "labels.csv: its columns are .*needed"),
    "no rows": ({L: "file,label\n"}, "labels.csv: it has no row"),
    "empty table": ({L: ""}, "labels.csv: its columns are"),
    "quote": ({L: TABLE + '"d,yes\n'}, "labels.csv: it is not a CSV file"),
    "not text": ({L: b"\xff\xfe\x00"}, "labels.csv: it is not a CSV file"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named(case, tmp_path):
    changes, message = BAD[case]
    with pytest.raises(DataError, match=message.replace("labels.csv", "labels.csv(, line 1)?")):
        read_clips("npy_folder", write_files(tmp_path / "own", FILES | changes))


SMALL = {"a.npy": npy(made_up(1, 2, 8, 2)), "labels.csv": b"file,label,split,who\na,yes,test,anna\n"}


@fuzz
@given(data=st.data())
def test_fuzz_npy_folder(data):
    name = data.draw(st.sampled_from(sorted(SMALL)))
    only_clean_reads("npy_folder", SMALL | {name: data.draw(damaged(SMALL[name]))}, Options(layout="natops8"))


HEADERS = st.text("'(){}[]:,-~0123456789LdescrfotanhpeTuFls_ ", max_size=60).map(str.encode)


@fuzz
@given(header=st.one_of(st.binary(max_size=60), HEADERS, damaged(SMALL["a.npy"][10:])))
def test_fuzz_npy_header(header):
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(96)
    only_clean_reads("npy_folder", SMALL | {"a.npy": content}, Options(layout="natops8"))
