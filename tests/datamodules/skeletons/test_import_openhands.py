"""OpenHands' pickles, written here by pickle itself: round trips, labels, faults and mutated bytes."""

import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import prepare
from datamodules.skeletons.importers import Options, openhands
from schemas.errors import DataError
from schemas.skeleton import load_layout
from tests.datamodules.skeletons.import_clips import read_clips, store_bytes, write_files, write_zip
from tests.datamodules.skeletons.import_fuzz import damaged, fuzz, only_clean_reads

RNG = np.random.default_rng(0)


def pose(frames: int = 3, joints: int = 75, coordinates: int = 3, **changes) -> dict:
    """As the generator makes them: float64, hands of confidence 1 or 0, a lost hand at zero."""
    keypoints, confidences = RNG.normal(size=(frames, joints, coordinates)), RNG.uniform(0.01, 1, (frames, joints))
    keypoints[0, joints // 2 :], confidences[0, joints // 2 :] = 0, 0
    return {"keypoints": keypoints, "confidences": confidences} | changes


POSES = {"b": pose(4), "a": pose(2), "c": pose(3)}
TABLE = "id,label,split,signer\nb,yes,train,anna\na,no,val,ben\nc.pkl,yes,test,anna\n"


def files(protocol: int = 4, table: str = TABLE, **changes: object) -> dict[str, bytes | str]:
    pickled = {f"{name}.pkl": pickle.dumps(plain, protocol) for name, plain in (POSES | changes).items()}
    return pickled | {"labels.csv": table}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_poses_come_back_to_the_bit_of_float32(protocol, form, tmp_path):
    written = files(protocol)
    source = write_zip(tmp_path / "own.zip", written) if form == "zip" else write_files(tmp_path / "own", written)
    reading, clips = read_clips("openhands", source)
    assert reading.layout.name == "pose_hands75" and reading.classes == ("no", "yes") and reading.total == 3
    assert [(name, clip.label, clip.split) for name, clip in clips.items()] == [
        ("a", 0, "val"),
        ("b", 1, "train"),
        ("c", 1, "test"),
    ]
    for name, clip in clips.items():
        np.testing.assert_array_equal(clip.frames, POSES[name]["keypoints"].astype(np.float32))
        np.testing.assert_array_equal(clip.visible, POSES[name]["confidences"] > 0)
    assert clips["b"].groups == {"signer": "anna"}


def test_the_same_source_gives_the_same_bytes(tmp_path):
    source = write_files(tmp_path / "source", files())
    one, two = (store_bytes("openhands", source, tmp_path / name / "s") for name in ("one", "two"))
    assert one == two


def test_other_joints_need_a_layout_and_nan_is_not_seen(tmp_path):
    odd = pose(2, 27, 2)
    odd["keypoints"][1, 3, 0] = np.nan
    source = write_files(tmp_path, {"x.pkl": pickle.dumps(odd), "labels.csv": "file,label\nx,1"})
    with pytest.raises(DataError, match=r"27 joints.*layout=NAME"):
        read_clips("openhands", source)
    fine = pose(2, 25, 2)
    fine["keypoints"][1, 3, 0] = np.nan
    write_files(tmp_path, {"x.pkl": pickle.dumps(fine)})
    reading, clips = read_clips("openhands", source, layout="ntu25")
    assert reading.coordinates == 2 and np.argwhere(~clips["x"].visible[1:]).tolist() == [[0, 3]]


def test_to_predict_no_labels_are_needed_and_a_file_may_stand_alone(tmp_path):
    source, own = write_files(tmp_path, {**files(), "labels.csv": "broken"}), load_layout("pose_hands75")
    assert [clip.id for clip in openhands.read_unlabelled(source, Options(), own).clips] == ["a", "b", "c"]
    (clip,) = openhands.read_unlabelled(source / "b.pkl", Options(), own).clips
    np.testing.assert_array_equal(clip.frames, POSES["b"]["keypoints"].astype(np.float32))


def test_inspect_names_the_command(door, tmp_path):
    code, out, _ = door(prepare.main)(f"inspect={write_files(tmp_path, files())}")
    assert code == 0 and "format openhands" in out and "3 clips, 2 classes: no, yes" in out and "75 joints in 3D" in out


def test_a_hostile_pickle_runs_nothing(tmp_path, monkeypatch):
    class Command:
        def __reduce__(self):
            return os.system, ("touch HACKED",)

    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"b\.pkl: it asks for posix\.system.*nothing of it was run"):
        read_clips("openhands", write_files(tmp_path / "in", files(b=pose() | {"video": Command()})))
    assert not (tmp_path / "HACKED").exists()


ARRAY = np.ones((2, 75, 3))
BAD = {
    "no dict": ([1], r"b\.pkl: it is no dict of keypoints and confidences"),
    "no confidences": ({"keypoints": ARRAY}, "no dict of keypoints and confidences"),
    "lists": (pose(confidences=[1.0]), "no dict of keypoints and confidences"),
    "no frames": (pose(keypoints=ARRAY[:0], confidences=ARRAY[:0, :, 0]), r"keypoints \[0, 75, 3\]"),
    "flat": (pose(keypoints=ARRAY[..., 0]), r"keypoints \[2, 75\]"),
    "four coordinates": (pose(keypoints=np.ones((3, 75, 4))), r"keypoints \[3, 75, 4\]"),
    "other confidences": (pose(confidences=ARRAY[..., 0]), r"confidences \[2, 75\] are not"),
    "texts": (pose(confidences=np.full((3, 75), "x")), "its confidences are of the kind <U1"),
    "infinite": (pose(keypoints=np.full((3, 75, 3), 1e300)), "infinite as float32"),
    "unlike the first": (pose(3, 25), r"keypoints are \[3, 25, 3\], those of the first clip"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_pickle_is_named(case, tmp_path):
    plain, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        read_clips("openhands", write_files(tmp_path, files(b=plain)))
    assert len(str(caught.value).splitlines()) == 1 and "b.pkl" in str(caught.value)


def test_what_is_no_pickle_or_not_listed_is_said(tmp_path):
    for name, content, message in (
        ("garbage", b"\x80\x04garbage", r"b\.pkl: it is no pickle, or is damaged"),
        ("cut", files()["b.pkl"][:-100], r"b\.pkl: it is no pickle, or is damaged"),
    ):
        with pytest.raises(DataError, match=message):
            read_clips("openhands", write_files(tmp_path / name, files() | {"b.pkl": content}))
    with pytest.raises(DataError, match=r"line 5: there is no file 'd'\.pkl"):
        read_clips("openhands", write_files(tmp_path / "d", files(table=TABLE + "d,no,test,ben\n")))
    with pytest.raises(DataError, match=r"it holds no \.pkl file"):
        read_clips("openhands", write_files(tmp_path / "e", {"labels.csv": TABLE}))


SMALL = {f"a{protocol}": pickle.dumps(pose(1, 8, 2), protocol) for protocol in (2, 4, 5)}


@fuzz
@given(data=st.data())
def test_fuzz_openhands(data):
    content = data.draw(damaged(SMALL[data.draw(st.sampled_from(sorted(SMALL)))]))
    small = {"a.pkl": content, "labels.csv": b"file,label\na,yes\n"}
    only_clean_reads("openhands", small, Options(layout="natops8"))
