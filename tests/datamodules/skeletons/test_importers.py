"""Importers: small made-up sources of every form, damaged ones, and the published counts of the real sets."""

import gzip
import io
import json
import os
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datamodules.skeletons.importers import FORMATS, Options, load_importer, wlasl100
from datamodules.skeletons.store import ClipStore
from experiment.preparation.prepare import Request, prepare
from schemas.errors import ConfigError, DataError
from tests.datamodules.skeletons.import_fuzz import damaged, fuzz, only_clean_reads

REPOSITORY = Path(__file__).parents[3]
REAL = Path(os.environ.get("ASSAY_DATA") or REPOSITORY / "../shared/data") / "skeletons"


def real(name: str) -> Path:
    if not (REAL / name).exists():
        pytest.skip(f"needs the real data: {REAL / name} is not there; set ASSAY_DATA to the folder of the data sets")
    return REAL / name


def run(format_: str, source: Path, root: Path) -> ClipStore:
    prepare(Request(format=format_, source=source, name="store", root=root))
    return ClipStore(root / "store")


def ucla_clip(seed: int, frames: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, 20, 3)).round(4)


def as_json(skeletons) -> bytes:
    plain = skeletons.tolist() if isinstance(skeletons, np.ndarray) else skeletons
    return json.dumps({"file_name": "any", "skeletons": plain}).encode()


def as_npy(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def hands(seed: int, frames: int = 4) -> np.ndarray:
    values = np.random.default_rng(seed).random((frames, 2, 21, 3)).astype(np.float32)
    values[0] = -1
    values[1, 1] = -1
    return values


def ts_file(seed: int, labels: list[str], channels: int = 24, frames: int = 5) -> bytes:
    rng = np.random.default_rng(seed)
    rows = [
        ":".join([*(",".join(f"{x:.4f}" for x in rng.normal(size=frames)) for _ in range(channels)), label])
        for label in labels
    ]
    return "\n".join(["#Fran\xe7ois", "@problemName NATOPS", "@data", *rows, ""]).encode("latin-1")


CSV = b"video_id,split,gloss,label\n00002,test,yes,0\n00001,train,no,1\n00003,val,no,1\n"
SOURCES: dict[str, dict[str, bytes]] = {
    "nw_ucla": {
        "a12_s10_e01_v03.json": as_json(ucla_clip(1)),
        "a01_s02_e00_v01.json": as_json(ucla_clip(2, frames=1)),
        "a03_s02_e00_v02.json": as_json(ucla_clip(3)),
    },
    "wlasl100": {"clips.csv": CSV} | {f"landmarks/0000{i}.npy": as_npy(hands(i)) for i in (1, 2, 3)},
    "natops": {
        "NATOPS_TRAIN.ts": ts_file(1, ["1.0", "6.0"]),
        "NATOPS_TEST.ts.gz": gzip.compress(ts_file(2, ["3.0"])),
    },
}


def write_source(folder: Path, files: dict[str, bytes], form: str, inside: str = "") -> Path:
    if form == "folder":
        for name, content in files.items():
            path = folder / "source" / inside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder / "source"
    with zipfile.ZipFile(folder / "source.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(inside + name, content)
    return folder / "source.zip"


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("inside", ["", "a folder, of the archive/"])
@pytest.mark.parametrize("format_", SOURCES)
def test_a_source_is_read_from_a_folder_or_a_zip(format_, form, inside, tmp_path):
    source = write_source(tmp_path, SOURCES[format_], form, inside)
    store = run(format_, source, tmp_path / "out")
    plain = run(format_, write_source(tmp_path / "plain", SOURCES[format_], "folder"), tmp_path / "plain out")
    everything = range(len(store))
    assert store.gather(everything).joints.equal(plain.gather(everything).joints)
    assert list(store.ids) == list(plain.ids) and len(store) == 3
    assert {"description", "sha256"} == set(store.header["source"])


@pytest.mark.parametrize("format_", SOURCES)
def test_an_import_repeats_to_the_same_bytes(format_, tmp_path):
    source = write_source(tmp_path, SOURCES[format_], "folder")
    one, two = (run(format_, source, tmp_path / root) for root in ("one", "two"))
    for path in one.folder.iterdir():
        assert path.read_bytes() == (two.folder / path.name).read_bytes(), path.name


def test_ucla_names_become_labels_splits_and_groups(tmp_path):
    store = run("nw_ucla", write_source(tmp_path, SOURCES["nw_ucla"], "zip"), tmp_path)
    assert list(store.ids) == ["a01_s02_e00_v01", "a03_s02_e00_v02", "a12_s10_e01_v03"]
    assert [store.classes[label] for label in store.labels] == ["pick up with one hand", "drop trash", "carry"]
    assert store.rows("train").tolist() == [0, 1] and store.rows("test").tolist() == [2]
    assert {group: list(values) for group, values in store.groups.items()} == {
        "subject": ["02", "02", "10"],
        "camera": ["01", "02", "03"],
        "repetition": ["00", "00", "01"],
    }
    np.testing.assert_allclose(store.gather([2]).joints[0], ucla_clip(1), rtol=1e-6)


def test_a_joint_inside_the_lens_was_not_seen(tmp_path):
    clip = ucla_clip(1)
    clip[1, 5] = 0
    clip[2, 6, 0] = 0  # one coordinate may well be zero
    store = run("nw_ucla", write_source(tmp_path, {"a01_s01_e00_v01.json": as_json(clip)}, "folder"), tmp_path)
    assert np.argwhere(~store.gather([0]).visible[0].numpy()).tolist() == [[1, 5]]


def test_natops_channels_are_points_in_the_order_of_the_layout(tmp_path):
    store = run("natops", write_source(tmp_path, SOURCES["natops"], "folder"), tmp_path)
    assert list(store.ids) == ["train_000", "train_001", "test_000"] and store.labels.tolist() == [0, 5, 2]
    line = SOURCES["natops"]["NATOPS_TRAIN.ts"].decode("latin-1").splitlines()[3]
    elbow_right_y = [float(x) for x in line.split(":")[10].split(",")]  # the file's 11th channel
    at = store.skeleton.joints.index("right_elbow")
    np.testing.assert_allclose(store.gather([0]).joints[0, :, at, 1], elbow_right_y, rtol=1e-6)


def test_a_hand_that_was_not_detected_is_invisible_and_never_minus_one(tmp_path):
    store = run("wlasl100", write_source(tmp_path, SOURCES["wlasl100"], "folder"), tmp_path)
    batch = store.gather(range(3))
    assert store.classes == ("yes", "no") and list(store.ids) == ["00001", "00002", "00003"]
    assert (batch.joints >= 0).all()
    for clip in range(3):
        assert batch.visible[clip].sum(dim=1).tolist() == [0, 21, 42, 42]


def test_a_clip_without_any_hand_is_dropped_and_counted(tmp_path):
    files = SOURCES["wlasl100"] | {"landmarks/00003.npy": as_npy(np.full((9, 2, 21, 3), -1, np.float32))}
    source = write_source(tmp_path, files, "zip")
    summary = prepare(Request(format="wlasl100", source=source, name="store", root=tmp_path))
    assert summary.dropped == {"no joint seen in any frame": 1}
    assert {split: part.clips for split, part in summary.splits.items()} == {"train": 1, "test": 1}


def test_clips_are_read_only_when_their_turn_comes(tmp_path):
    files = SOURCES["nw_ucla"] | {"a12_s10_e01_v03.json": b"broken"}
    clips = load_importer("nw_ucla").read(write_source(tmp_path, files, "zip"), Options()).clips
    assert [next(clips).id, next(clips).id] == ["a01_s02_e00_v01", "a03_s02_e00_v02"]
    with pytest.raises(DataError, match="a12_s10_e01_v03"):
        next(clips)


def changed(values: np.ndarray, at: tuple, value: float) -> np.ndarray:
    values = values.copy()
    values[at] = value
    return values


def lying_npy() -> bytes:
    """A header that asks for 2 TB."""
    return as_npy(hands(1)).replace(
        b"'shape': (4, 2, 21, 3), }             ", b"'shape': (4000000000, 2, 21, 3), }    "
    )


NAN_JSON = as_json(changed(ucla_clip(1), (1, 7, 2), np.nan))
U, W, N = "a03_s02_e00_v02.json", "landmarks/00002.npy", "NATOPS_TRAIN.ts"
BAD_FILES: dict[str, tuple[str, dict[str, bytes | None], str]] = {
    "ucla: broken JSON": ("nw_ucla", {U: as_json(ucla_clip(3))[:-9]}, f"{U}.*JSON"),
    "ucla: empty file": ("nw_ucla", {U: b""}, f"{U}.*JSON"),
    "ucla: other JSON": ("nw_ucla", {U: b'{"frames": []}'}, f"{U}.*skeletons"),
    "ucla: a list": ("nw_ucla", {U: b"[]"}, f"{U}.*JSON"),
    "ucla: not text": ("nw_ucla", {U: b"\xff\x00\xfe"}, f"{U}.*JSON"),
    "ucla: deep": ("nw_ucla", {U: b"[" * 100_000}, f"{U}.*JSON"),
    "ucla: NaN": ("nw_ucla", {U: NAN_JSON}, f"{U}.*frame 1, joint 7 is not a finite"),
    "ucla: too large for a float": ("nw_ucla", {U: NAN_JSON.replace(b"NaN", b"1e300")}, f"{U}.*frame 1, joint 7"),
    "ucla: 401 digits": ("nw_ucla", {U: NAN_JSON.replace(b"NaN", b"9" * 401)}, f"{U}.*OverflowError"),
    "ucla: words": ("nw_ucla", {U: NAN_JSON.replace(b"NaN", b'"far"')}, f"{U}.*JSON"),
    "ucla: no frames": ("nw_ucla", {U: as_json([])}, rf"{U}.*shape \[0\]"),
    "ucla: joints": ("nw_ucla", {U: as_json(ucla_clip(1)[:, :19])}, rf"{U}.*\[3, 19, 3\]"),
    "ucla: ragged": ("nw_ucla", {U: as_json([[[1, 2, 3]], [[1, 2]]])}, f"{U}.*JSON"),
    "ucla: action": ("nw_ucla", {"a07_s01_e00_v01.json": as_json(ucla_clip(1))}, "a07_s01.*action 07"),
    "ucla: camera": ("nw_ucla", {"a01_s01_e00_v04.json": as_json(ucla_clip(1))}, "v04.*camera 04"),
    "ucla: id twice": ("nw_ucla", {f"copy/{U}": as_json(ucla_clip(1))}, "clip 'a03_s02_e00_v02': two clips"),
    "wlasl: file not there": ("wlasl100", {W: None}, f"{W}: there is no such file, though the source lists"),
    "wlasl: not an array": ("wlasl100", {W: b"PK\x03\x04 something"}, f"{W}.*not landmarks"),
    "wlasl: truncated": ("wlasl100", {W: as_npy(hands(1))[:-8]}, f"{W}.*not landmarks"),
    "wlasl: pickled": ("wlasl100", {W: as_npy(np.array([{}], dtype=object))}, f"{W}.*not landmarks"),
    "wlasl: half a header": ("wlasl100", {W: as_npy(hands(1)).replace(b"'descr'", b"'''desc")}, f"{W}.*not landmarks"),
    "wlasl: lying header": ("wlasl100", {W: lying_npy()}, f"{W}.*bytes for the shape"),
    "wlasl: joints": ("wlasl100", {W: as_npy(hands(1)[:, :, :20])}, rf"{W}.*\[4, 2, 20, 3\]"),
    "wlasl: no frames": ("wlasl100", {W: as_npy(hands(1)[:0])}, rf"{W}.*\[0, 2, 21, 3\]"),
    "wlasl: NaN": ("wlasl100", {W: as_npy(changed(hands(1), (2, 1, 3, 0), np.nan))}, f"{W}.*frame 2"),
    "wlasl: half a hand": ("wlasl100", {W: as_npy(changed(hands(1), (2, 1, 3), -1))}, f"{W}.*landmark of -1"),
    "wlasl: no table": ("wlasl100", {"clips.csv": None}, "one clips.csv"),
    "wlasl: column": ("wlasl100", {"clips.csv": CSV.replace(b"gloss", b"word")}, "line 2.*no gloss"),
    "wlasl: split": ("wlasl100", {"clips.csv": CSV.replace(b"val", b"dev")}, "line 4.*split 'dev'"),
    "wlasl: label": ("wlasl100", {"clips.csv": CSV.replace(b"yes,0", b"yes,x")}, "line 2.*label 'x'"),
    "wlasl: endless label": (
        "wlasl100",
        {"clips.csv": CSV.replace(b"yes,0", b"yes," + b"1" * 5000)},
        "line 2.*9 digits",
    ),
    "wlasl: gap": ("wlasl100", {"clips.csv": CSV.replace(b"no,1", b"no,2")}, "1 is missing"),
    "wlasl: two glosses": ("wlasl100", {"clips.csv": CSV.replace(b"yes,0", b"yes,1")}, "line 3.*another gloss"),
    "wlasl: id twice": ("wlasl100", {"clips.csv": CSV.replace(b"00003", b"00001")}, "line 4.*twice"),
    "wlasl: path as id": ("wlasl100", {"clips.csv": CSV.replace(b"00001", b"../01")}, "line 3.*no plain name"),
    "wlasl: not text": ("wlasl100", {"clips.csv": b"\xff\xfe\x00"}, "not a CSV"),
    "natops: one file": ("natops", {N: None}, "no NATOPS_TRAIN.ts"),
    "natops: channels": ("natops", {N: ts_file(1, ["1.0"], channels=23)}, f"{N}, line 4.*23 channels"),
    "natops: class": ("natops", {N: ts_file(1, ["1.0", "7.0"])}, f"{N}, line 5.*class 7.0"),
    "natops: NaN": ("natops", {N: ts_file(1, ["1.0"]).replace(b":-", b":nan,-", 1)}, f"{N}, line 4"),
    "natops: missing": ("natops", {N: ts_file(1, ["1.0"]).replace(b",-", b",?,-", 1)}, f"{N}, line 4.*not all numbers"),
    "natops: ragged": ("natops", {N: ts_file(1, ["1.0"]).replace(b":", b",1:", 1)}, f"{N}, line 4.*lengths"),
    "natops: no clip": ("natops", {N: ts_file(1, [])}, f"{N}: it holds no clip"),
    "natops: truncated gzip": (
        "natops",
        {"NATOPS_TEST.ts.gz": gzip.compress(ts_file(2, ["3.0"]))[:-20]},
        "NATOPS_TEST.*damaged",
    ),
    "natops: gzip of nothing": ("natops", {"NATOPS_TEST.ts.gz": b"not packed"}, "NATOPS_TEST.*damaged"),
}


def expect_nothing_changed(format_: str, source: Path, root: Path, message: str, older: bool) -> str:
    """Imports a bad source; the error must be readable and the folder of stores as it was."""

    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    if older:
        run(format_, write_source(root.parent / "older", SOURCES[format_], "folder"), root)
    kept = files()
    with pytest.raises(DataError, match=f"(?s){message}") as caught:
        run(format_, source, root)
    assert files() == kept
    assert not root.exists() or [p.name for p in root.iterdir()] == (["store"] if older else [])
    return str(caught.value)


@pytest.mark.parametrize("older", [False, True], ids=["", "with an older store"])
@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_named_and_nothing_is_left(case, older, tmp_path):
    format_, changes, message = BAD_FILES[case]
    files = {name: raw for name, raw in (SOURCES[format_] | changes).items() if raw is not None}
    source = write_source(tmp_path, files, "zip")
    text = expect_nothing_changed(format_, source, tmp_path / "out", message, older)
    assert "source" in text or "clip 'a03" in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("format_", SOURCES)
def test_a_source_that_is_not_there_says_where_to_get_it(format_, tmp_path):
    text = expect_nothing_changed(format_, tmp_path / "nowhere.zip", tmp_path / "out", "no such file", older=False)
    assert "https://" in text


@pytest.mark.parametrize("format_", SOURCES)
def test_a_truncated_zip_is_refused(format_, tmp_path):
    source = write_source(tmp_path, SOURCES[format_], "zip")
    source.write_bytes(source.read_bytes()[:-30])
    expect_nothing_changed(format_, source, tmp_path / "out", "source.zip: it cannot be read", older=True)


@pytest.mark.parametrize("format_", SOURCES)
def test_a_zip_of_something_else_is_refused(format_, tmp_path):
    source = write_source(tmp_path, {"holiday.jpg": b"x"}, "zip")
    expect_nothing_changed(format_, source, tmp_path / "out", "holds 1 files and none", older=True)


@pytest.mark.parametrize("format_", SOURCES)
def test_an_empty_folder_is_refused(format_, tmp_path):
    (tmp_path / "source").mkdir()
    expect_nothing_changed(format_, tmp_path / "source", tmp_path / "out", "holds 0 files", older=False)


def test_a_damaged_member_of_a_zip_is_named(tmp_path):
    source = write_source(tmp_path, SOURCES["nw_ucla"], "zip")
    raw = bytearray(source.read_bytes())
    at = raw.index(b"a03_s02_e00_v02.json") + 100
    raw[at : at + 20] = bytes(20)
    source.write_bytes(raw)
    expect_nothing_changed("nw_ucla", source, tmp_path / "out", "a03_s02_e00_v02.json: it cannot be read", older=True)


def test_a_member_of_absurd_size_is_refused_before_it_is_unpacked(tmp_path):
    source = tmp_path / "source.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a01_s01_e00_v01.json", bytes(65 * 2**20))
    assert source.stat().st_size < 100_000
    expect_nothing_changed("nw_ucla", source, tmp_path / "out", "has 68,157,440 bytes", older=False)


def test_a_gzip_of_absurd_size_is_refused(tmp_path):
    bomb = gzip.compress(bytes(65 * 2**20), compresslevel=1)
    source = write_source(tmp_path, SOURCES["natops"] | {"NATOPS_TEST.ts.gz": bomb}, "folder")
    expect_nothing_changed("natops", source, tmp_path / "out", "unpacks to more than", older=False)


def test_an_unknown_format_names_those_that_exist():
    with pytest.raises(ConfigError, match="natops, npy_folder, npz, ntu, nw_ucla"):
        load_importer("mp4")


@pytest.mark.parametrize("format_", FORMATS)
def test_a_format_says_where_it_is_from_and_what_it_heeds(format_):
    importer = load_importer(format_)
    assert "https://" in importer.WHERE
    assert set(importer.OPTIONS) <= {option.name for option in fields(Options)}


RIGHT_HAND = np.zeros((21, 3))
"""A right hand, palm towards the camera, fingers up and a little bent: x right, y down, z away from the camera.
Seen so, the thumb and the index finger are on the image's right."""
for finger, x in enumerate((0.03, 0.01, -0.01, -0.03)):
    for phalanx in range(4):
        RIGHT_HAND[5 + 4 * finger + phalanx] = x, -0.1 - 0.025 * phalanx, -0.008 * phalanx**2
RIGHT_HAND[1:5] = [[0.03 + 0.01 * i, -0.02 * i, -0.005] for i in range(4)]
LEFT_HAND = RIGHT_HAND * [-1, 1, 1]


def rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def test_the_shape_of_a_hand_tells_its_side_however_it_is_turned():
    rng = np.random.default_rng(0)
    for _ in range(20):
        turn = rotation(rng)
        assert wlasl100.left_shape(LEFT_HAND @ turn + 0.4) == 1
        assert wlasl100.left_shape(RIGHT_HAND @ turn + 0.4) == -1


def moving_hands(seed: int, frames: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """[T, 2, 21, 3] and [T, 2] of a signer: left hand first, paths that cross, each hand out of sight at times."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, frames)
    right = np.stack([0.35 + 0.25 * np.sin(3 * time), 0.5 - 0.2 * time, 0 * time], axis=1)
    left = np.stack([0.65 - 0.25 * np.sin(3 * time), 0.6 + 0.1 * time, 0 * time], axis=1)
    shapes = np.stack([LEFT_HAND, RIGHT_HAND]) + rng.normal(scale=0.004, size=(frames, 2, 21, 3))
    values = shapes + np.stack([left, right], axis=1)[:, :, None]
    seen = np.ones((frames, 2), dtype=bool)
    seen[5:12, 0] = seen[20:24, 1] = seen[30:33] = seen[35:, 0] = False
    return values.astype(np.float32), seen


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), swaps=st.lists(st.booleans(), min_size=40, max_size=40))
def test_hands_come_out_left_and_right_whatever_the_detectors_order(seed, swaps):
    truth, seen = moving_hands(seed)
    order = np.where(np.array(swaps)[:, None], [1, 0], [0, 1])
    given_ = np.where(seen[..., None, None], truth, np.float32(-1))
    given_ = np.take_along_axis(given_, order[..., None, None], axis=1)
    frames, visible = wlasl100.by_side(given_, np.take_along_axis(seen, order, axis=1))
    np.testing.assert_array_equal(visible, np.repeat(seen, 21, axis=1))
    np.testing.assert_array_equal(frames.reshape(truth.shape), np.where(seen[..., None, None], truth, 0))


@pytest.mark.parametrize("side", [0, 1])
def test_a_lone_hand_takes_the_side_of_its_shape(side):
    """As in a sign of one hand by a left-handed and by a right-handed person, in the middle of the image."""
    given_ = np.full((12, 2, 21, 3), -1, dtype=np.float32)
    given_[2:, 0] = 0.5 + (LEFT_HAND, RIGHT_HAND)[side]
    _, visible = wlasl100.by_side(given_, (given_ != -1).any(axis=(2, 3)))
    assert visible.reshape(12, 2, 21).any(axis=2)[2:].tolist() == [[side == 0, side == 1]] * 10


def test_no_hand_at_all_is_no_error():
    frames, visible = wlasl100.by_side(np.full((3, 2, 21, 3), -1, np.float32), np.zeros((3, 2), bool))
    assert not frames.any() and not visible.any()


@pytest.mark.parametrize("format_", SOURCES)
@fuzz
@given(data=st.data())
def test_fuzz_the_oldest_formats(format_, data):
    name = data.draw(st.sampled_from(sorted(SOURCES[format_])))
    only_clean_reads(format_, SOURCES[format_] | {name: data.draw(damaged(SOURCES[format_][name]))})


@pytest.mark.parametrize("format_", SOURCES)
def test_the_seeds_of_the_fuzz_test_are_sound(format_):
    assert only_clean_reads(format_, SOURCES[format_])


@pytest.mark.slow
def test_ucla_has_its_published_counts(tmp_path):
    store = run("nw_ucla", real("nw_ucla.zip"), tmp_path)
    assert [len(store.rows(split)) for split in ("train", "val", "test")] == [1020, 0, 464]
    assert (store.lengths == 1).sum() == 2 and len(np.unique(store.labels)) == 10
    assert (~store.visible).sum() == 12
    # y is up and the left arm is a left arm: heads above feet, and a left hand hangs on the left hip's side.
    joints, name = store.frames, store.skeleton.joints.index
    assert np.mean(joints[:, name("head"), 1] > joints[:, name("left_foot"), 1]) > 0.99
    across = joints[:, name("left_hip")] - joints[:, name("right_hip")]
    shoulders = joints[:, name("left_shoulder")] - joints[:, name("right_shoulder")]
    assert np.mean((across * shoulders).sum(axis=1) > 0) > 0.9


@pytest.mark.slow
def test_ucla_tells_of_test_clips_that_were_trained_on(tmp_path):
    summary = prepare(Request(format="nw_ucla", source=real("nw_ucla.zip"), name="store", root=tmp_path))
    assert summary.shared == {("train", "test"): 95}


@pytest.mark.slow
def test_wlasl100_has_its_published_counts(tmp_path):
    store = run("wlasl100", real("wlasl100_hands.zip"), tmp_path)
    assert [len(store.rows(split)) for split in ("train", "val", "test")] == [748, 165, 100]
    assert len(store.classes) == 100 and len(np.unique(store.labels[store.rows("test")])) == 72
    assert 0.33 < np.mean(~store.visible.any(axis=1)) < 0.39
    hand_at = store.frames.reshape(-1, 2, 21, 3)
    seen = store.visible.reshape(-1, 2, 21)[..., 0]
    assert ((hand_at != -1).any(axis=(2, 3)))[seen].all()
    # Two signs of a right assignment that do not know of each other: shape, and the left hand on the image's right.
    shape_fits = (wlasl100.left_shape(hand_at) * [1, -1])[seen] == 1
    both = seen.all(axis=1)
    assert shape_fits.mean() > 0.85
    assert np.mean(hand_at[both, 0, 0, 0] > hand_at[both, 1, 0, 0]) > 0.9


@pytest.mark.slow
def test_natops_has_its_published_counts(tmp_path):
    store = run("natops", real("natops"), tmp_path)
    assert [len(store.rows(split)) for split in ("train", "val", "test")] == [180, 0, 180]
    assert set(store.lengths.tolist()) == {51} and np.bincount(store.labels).tolist() == [60] * 6
    # Arms hang at the start of most clips: elbows above hands, the left one on the side of smaller x.
    first, name = store.frames[store.offsets[:-1]], store.skeleton.joints.index
    assert np.mean(first[:, name("left_elbow"), 1] > first[:, name("left_hand_tip"), 1]) > 0.7
    assert np.mean(first[:, name("left_elbow"), 0] < first[:, name("right_elbow"), 0]) > 0.99
