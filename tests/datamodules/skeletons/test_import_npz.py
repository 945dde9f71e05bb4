"""npz files written here by numpy itself: round trips, optional arrays, faults, memory and mutated bytes."""

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.skeletons.importers import Options, npz
from datamodules.skeletons.store import ClipStore
from experiment.preparation.prepare import Request, prepare
from schemas.errors import DataError
from tests.datamodules.skeletons.import_fuzz import damaged, fuzz, only_clean_reads

RNG = np.random.default_rng(0)
X = RNG.normal(size=(9, 8, 3)).astype(np.float32)
ARRAYS = {"x": X, "lengths": np.array([4, 2, 3]), "y": np.array([0, 2, 1])}
NATOPS = Options(layout="natops8")


def as_npz(arrays: dict[str, np.ndarray], packed: bool = False) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays)
    return file.getvalue()


def as_npy(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def as_zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def written(folder: Path, content: bytes | dict[str, np.ndarray]) -> Path:
    (folder / "clips.npz").write_bytes(content if isinstance(content, bytes) else as_npz(content))
    return folder / "clips.npz"


def read(folder: Path, arrays: dict[str, np.ndarray], options: Options = NATOPS):
    """The reading and all its clips."""
    reading = npz.read(written(folder, arrays), options)
    return reading, list(reading.clips)


@pytest.mark.parametrize("packed", [False, True], ids=["", "compressed"])
@pytest.mark.parametrize("unseen", ["as NaN", "as visible"])
def test_a_store_comes_back_to_the_bit(packed, unseen, make_store, tmp_path):
    store = make_store(groups=("subject",))
    arrays = {
        "x": store.frames,
        "lengths": store.lengths,
        "y": store.labels,
        "split": store.splits,
        "subject": store.groups["subject"],
        "class_names": np.array(store.classes),
    }
    if unseen == "as NaN":
        arrays["x"] = np.where(store.visible[..., None], store.frames, np.float32("nan"))
    else:
        arrays["visible"] = store.visible
    source = written(tmp_path, as_npz(arrays, packed))
    options = Options(layout="kinect20")
    prepare(Request(format="npz", source=source, name="again", root=tmp_path, options=options))
    again = ClipStore(tmp_path / "again")
    again.verify()
    for column in ("frames", "visible", "offsets", "labels", "splits"):
        np.testing.assert_array_equal(getattr(again, column), getattr(store, column), err_msg=column)
    np.testing.assert_array_equal(again.groups["subject"], store.groups["subject"])
    assert again.classes == store.classes and again.ids[:2].tolist() == ["00", "01"]


def test_only_x_lengths_and_y_are_needed(tmp_path):
    reading, clips = read(tmp_path, ARRAYS)
    assert reading.classes == ("class 0", "class 1", "class 2") and reading.total == 3
    assert [(clip.id, clip.label, clip.split, len(clip.frames)) for clip in clips] == [
        ("0", 0, "train", 4),
        ("1", 2, "train", 2),
        ("2", 1, "train", 3),
    ]
    np.testing.assert_array_equal(np.concatenate([clip.frames for clip in clips]), X)
    assert all(clip.visible.all() and not clip.groups for clip in clips)


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", "<i2", "|u1"])
def test_numbers_of_any_kind_become_float32(dtype, tmp_path):
    x = (X * 50 + 100).astype(dtype)
    _, clips = read(tmp_path, ARRAYS | {"x": x[..., :2], "y": ARRAYS["y"].astype(">u2")})
    frames = np.concatenate([clip.frames for clip in clips])
    assert frames.dtype == np.float32
    np.testing.assert_array_equal(frames, x[..., :2].astype(np.float32))


def test_split_subject_and_visible_belong_to_their_clips(tmp_path):
    visible = np.ones((9, 8), dtype=np.uint8)
    visible[4, 5] = 0
    more = {"split": np.array([0, 2, 1]), "subject": np.array([7, 7, 12]), "visible": visible}
    x = X.copy()
    x[5, 1, 2] = np.nan
    _, clips = read(tmp_path, ARRAYS | more | {"x": x})
    assert [clip.split for clip in clips] == ["train", "test", "val"]
    assert [clip.groups["subject"] for clip in clips] == ["7", "7", "12"]
    assert np.argwhere(~clips[1].visible).tolist() == [[0, 5], [1, 1]] and clips[0].visible.all()


def forged(name: str, header: bytes) -> dict[str, bytes]:
    """The sound file with one array of another header."""
    members = {f"{key}.npy": as_npy(array) for key, array in ARRAYS.items()}
    padded = header + b" " * (117 - len(header)) + b"\n"
    members[f"{name}.npy"] = b"\x93NUMPY\x01\x00\x76\x00" + padded + members[f"{name}.npy"][128:]
    return members


def says(shape: str, dtype: str = "<f4", fortran: str = "False") -> bytes:
    return f"{{'descr': '{dtype}', 'fortran_order': {fortran}, 'shape': {shape}}}".encode()


NO_CLIP = np.zeros(0, dtype=int)
FAULTS: dict[str, tuple[dict, str]] = {
    "no x": ({"x": None}, "array x: it is not there"),
    "no lengths": ({"lengths": None}, "array lengths: it is not there"),
    "dimensions": ({"x": X[0]}, r"array x: its shape is \[8, 3\], it must have 3"),
    "coordinates": ({"x": X[..., :1]}, "1 coordinates a joint"),
    "texts": ({"x": X.astype(str)}, "array x: it holds <U"),
    "columns first": ({"x": np.asfortranarray(X)}, "Fortran order"),
    "objects": ({"y": np.array([0, None, 1])}, "array y: it holds object"),
    "floats as labels": ({"y": np.array([0.0, 1, 2])}, "array y: it holds float64, it must hold whole numbers"),
    "no clip": ({"lengths": NO_CLIP, "y": NO_CLIP}, "array lengths: its shape is"),
    "frames missing": ({"x": X[:8]}, "array lengths: they add up to 9 frames, x has 8"),
    "a clip of nothing": ({"lengths": np.array([4, 0, 5])}, "array lengths: clip 1 has 0"),
    "a length below 0": ({"lengths": np.array([14, -8, 3])}, "array lengths: clip 1 has -8"),
    "lengths beyond whole numbers": ({"lengths": np.array([2**62, 2**62, 2**62])}, "array lengths: they add up"),
    "fewer labels": ({"y": np.array([0, 1])}, "array y: it has 2 entries for 3 clips"),
    "a label below 0": ({"y": np.array([0, -1, 1])}, "array y: clip 1 has -1"),
    "a wild label": ({"y": np.array([0, 2**62, 1])}, "a label is 4,611,686,018,427,387,904"),
    "a class without name": ({"class_names": np.array(["a", "b"])}, "a label is 2, with 2 classes"),
    "a name twice": ({"class_names": np.array(["a", "b", "a"])}, "stands twice"),
    "a name of two lines": ({"class_names": np.array(["a", "b", "c\nd"])}, "array class_names: .*no text"),
    "half a character": ({"subject": np.array(["a", "b", "\ud800"])}, "array subject: .*no text"),
    "split": ({"split": np.array([0, 1, 3])}, "array split: clip 2 has 3, it must be 0 to 2"),
    "splits": ({"split": np.array([0, 1])}, "array split: it has 2 entries"),
    "a subject of nobody": ({"subject": np.array(["a", " ", "c"])}, "array subject: clip 1 has none; fill it in"),
    "subjects": ({"subject": np.array(["a"])}, "array subject: it has 1 entries"),
    "visible": ({"visible": np.ones((9, 7), bool)}, r"array visible: its shape is \[9, 7\]"),
    "infinite": ({"x": np.where(X > 2, np.inf, X)}, "clip '.'.*not a finite number"),
    "too large for a float": ({"x": X.astype("f8") * 1e300}, "clip '0'.*not a finite number"),
}
BYTES: dict[str, tuple[bytes, str]] = {
    "no zip": (b"PK and so on", "no npz file"),
    "an npy": (as_npy(X), "no npz file"),
    "cut short": (as_npz(ARRAYS)[:-30], "no npz file"),
    "no array inside": (as_zip({"x.npy": b"not one"}), "array lengths: it is not there"),
    "no header": (as_zip(forged("y", b"") | {"y.npy": b"not one"}), "array y: it cannot be read"),
    "2 TB": (as_zip(forged("x", says("(9, 80000000000, 3)"))), "bytes of x, 67,108,864 at most"),
    "lengths of 2 TB": (as_zip(forged("lengths", says("(270000000000,)", "<i8"))), "claims 2,160,000,000,000"),
    "fewer rows than said": (as_zip(forged("y", says("(4,)", "<i8"))), "array y: it is damaged .*4 rows"),
    "more rows than said": (as_zip(forged("y", says("(2,)", "<i8"))), "array y: it is damaged .*2 rows"),
    "x shorter": (as_zip(forged("x", says("(9, 8, 3)", "<f8"))), "array x: it is damaged .*9 rows"),
    "a negative shape": (as_zip(forged("x", says("(-9, 8, 3)"))), "array x"),
    "brackets": (as_zip(forged("x", b"(" * 110)), "array x: it cannot be read"),
    "half a text": (as_zip(forged("x", b"{'descr': '''")), "array x: it cannot be read"),
    "no numbers": (as_zip(forged("y", says("(3,)", "<U2"))), "array y: it holds <U2"),
    "another version": (
        as_zip(forged("x", b"") | {"x.npy": as_npy(X).replace(b"Y\x01", b"Y\x03", 1)}),
        r"array x: .*version \(3, 0\)",
    ),
}


def refused(folder: Path, source: Path, message: str, options: Options = NATOPS) -> None:
    root = folder / "out"
    with pytest.raises(DataError, match=message) as caught:
        prepare(Request(format="npz", source=source, name="store", root=root, options=options))
    assert len(str(caught.value).splitlines()) == 1
    assert not root.exists() or not list(root.iterdir())


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_named_and_nothing_is_left(case, tmp_path):
    changes, message = FAULTS[case]
    arrays = {name: array for name, array in (ARRAYS | changes).items() if array is not None}
    refused(tmp_path, written(tmp_path, arrays), message)


@pytest.mark.parametrize("case", BYTES)
def test_bytes_that_are_no_such_file_are_refused(case, tmp_path):
    content, message = BYTES[case]
    refused(tmp_path, written(tmp_path, content), message)


def test_the_layout_must_be_given_and_fit(tmp_path):
    source = written(tmp_path, ARRAYS)
    refused(tmp_path, source, "8 joints, and the format does not say.*natops8.*layout=my.yaml", Options())
    refused(tmp_path, source, "8 joints, layout 'hand21' has 21.*natops8 fits", Options(layout="hand21"))


def test_a_folder_or_nothing_is_refused(tmp_path):
    for source in (tmp_path, tmp_path / "nowhere.npz"):
        refused(tmp_path, source, "no such file.*https://")


def test_a_byte_that_changed_is_found_by_the_checksum(tmp_path):
    raw = bytearray(as_npz(ARRAYS))
    raw[raw.index(X[5].tobytes())] ^= 1
    refused(tmp_path, written(tmp_path, bytes(raw)), "array x: .*CRC")


@pytest.mark.parametrize("packed", [False, True], ids=["", "compressed"])
def test_memory_holds_a_clip_at_a_time(packed, tmp_path):
    """48 MB of frames, read in 1,000 clips."""
    x = np.zeros((200_000, 20, 3), dtype=np.float32)
    lengths = np.full(1000, 200)
    raw = as_npz({"x": x, "lengths": lengths, "y": lengths * 0}, packed)
    source = written(tmp_path, raw)
    tracemalloc.start()
    try:
        count = sum(1 for _ in npz.read(source, Options(layout="kinect20")).clips)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 1000 and peak < 3e6


FULL = ARRAYS | {
    "split": np.array([0, 1, 2]),
    "subject": np.array(["a", "b", "ä"]),
    "class_names": np.array(["x", "y", "z"]),
    "visible": X[..., 0] < 1,
}
MEMBERS = {f"{name}.npy": as_npy(array) for name, array in FULL.items()}


def test_the_seed_of_the_fuzz_test_is_sound():
    assert only_clean_reads("npz", as_zip(MEMBERS), NATOPS)


@fuzz
@given(st.data())
def test_fuzz_npz(data):
    """The zip's own bytes, or those of an array in it under a sound checksum."""
    if data.draw(st.booleans()):
        content = data.draw(damaged(as_zip(MEMBERS)))
    else:
        name = data.draw(st.sampled_from(sorted(MEMBERS)))
        content = as_zip(MEMBERS | {name: data.draw(damaged(MEMBERS[name]))})
    only_clean_reads("npz", content, NATOPS)
