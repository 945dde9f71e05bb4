""".pose files written here as the specification says: round trips, which points are taken, faults, mutated bytes."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import prepare
from datamodules.skeletons.importers import Options, pose
from schemas.errors import DataError
from schemas.skeleton import load_layout
from tests.datamodules.skeletons.import_clips import made_up, read_clips, write_files
from tests.datamodules.skeletons.import_fuzz import damaged, fuzz, only_clean_reads

HOLISTIC = {"POSE_LANDMARKS": 33, "FACE_LANDMARKS": 10, "LEFT_HAND_LANDMARKS": 21, "RIGHT_HAND_LANDMARKS": 21}
HOLISTIC |= {"POSE_WORLD_LANDMARKS": 33}


def text(value: str) -> bytes:
    return struct.pack("<H", len(value.encode())) + value.encode()


def written(
    points: np.ndarray, confidence: np.ndarray, components: dict[str, int], version: float = 0.2, form: str = "XYZC"
) -> bytes:
    """A file of [T, M, P, C] and [T, M, P], with a limb and a colour in every component."""
    frames, people = points.shape[:2]
    content = struct.pack("<fHHHH", version, 640, 480, 0, len(components))
    for name, count in components.items():
        content += text(name) + text(form) + struct.pack("<HHH", count, 1, 1)
        content += b"".join(text(f"{name} {number}") for number in range(count))
        content += struct.pack("<HH", 0, min(1, count - 1)) + struct.pack("<HHH", 255, 0, 0)
    body = (
        struct.pack("<HHH", 25, frames % 2**16, people) if version < 0.15 else struct.pack("<fIH", 25, frames, people)
    )
    return content + body + points.astype("<f4").tobytes() + confidence.astype("<f4").tobytes()


def clip(seed: int, frames: int = 3, people: int = 1, points: int = sum(HOLISTIC.values())):
    confidence = np.random.default_rng(seed).uniform(0.1, 1, (frames, people, points))
    confidence[0, 0, ::5] = 0
    return made_up(seed, frames, people, points, 3), confidence


A, B = clip(1), clip(2, 5)
FILES = {
    "a.pose": written(*A, HOLISTIC),
    "b.pose": written(*B, HOLISTIC),
    "labels.csv": "id,label,split\na,yes,train\nb,no,test\n",
}
TAKEN = [*range(33), *range(43, 85)]


@pytest.mark.parametrize("version", [0.1, 0.2])
def test_the_body_and_the_hands_come_back_to_the_bit(version, tmp_path):
    files = FILES | {"a.pose": written(*A, HOLISTIC, version)}
    reading, clips = read_clips("pose", write_files(tmp_path, files))
    assert reading.layout.name == "pose_hands75" and reading.classes == ("no", "yes") and reading.coordinates == 3
    for (points, confidence), own in zip((A, B), clips.values(), strict=True):
        np.testing.assert_array_equal(own.frames, points[:, 0, TAKEN])
        np.testing.assert_array_equal(own.visible, confidence[:, 0, TAKEN] > 0)
    assert reading.left_out == {"clips whose FACE_LANDMARKS, POSE_WORLD_LANDMARKS are left out": 2}


def test_other_components_need_a_layout_and_persons_are_chosen(tmp_path):
    points, confidence = clip(3, 4, 3, 17)
    points[:, 1] *= 9
    source = write_files(
        tmp_path,
        {"a.pose": written(points[..., :2], confidence, {"BODY": 17}, form="XYC"), "labels.csv": "id,label\na,1\n"},
    )
    with pytest.raises(DataError, match=r"17 joints.*layout=NAME"):
        read_clips("pose", source)
    reading, clips = read_clips("pose", source, layout="coco17")
    np.testing.assert_array_equal(clips["a"].frames, points[:, 1, :, :2])
    assert reading.left_out["left out, persons beyond most_moving"] == 2
    assert read_clips("pose", source, layout="coco17", persons="both")[0].layout.name == "coco17_two_persons"


def test_to_predict_no_labels_are_needed_and_a_file_may_stand_alone(tmp_path):
    source, own = write_files(tmp_path, FILES | {"labels.csv": "broken"}), load_layout("pose_hands75")
    assert [clip.id for clip in pose.read_unlabelled(source, Options(), own).clips] == ["a", "b"]
    (one,) = pose.read_unlabelled(source / "b.pose", Options(), own).clips
    np.testing.assert_array_equal(one.frames, B[0][:, 0, TAKEN])


def test_inspect_names_the_command(door, tmp_path):
    code, out, _ = door(prepare.main)(f"inspect={write_files(tmp_path, FILES)}")
    assert code == 0 and "format pose" in out and "2 clips, 2 classes: no, yes" in out and "75 joints in 3D" in out


ONE = {"BODY": 8}
SOUND = written(*clip(4, 2, 1, 8), ONE)
BAD = {
    "garbage": (b"\x00" * 9, r"a\.pose: it is no \.pose file of version"),
    "empty": (b"", r"a\.pose: it is no \.pose file"),
    "an old version": (written(*clip(4, 2, 1, 8), ONE, version=0.0), r"version 0,"),
    "cut short": (SOUND[:-4], "252 bytes for 2 frames of 1 persons"),
    "longer": (SOUND + bytes(4), "260 bytes for 2 frames of 1 persons"),
    "no persons": (
        written(*clip(4, 2, 1, 8), ONE).replace(struct.pack("<IH", 2, 1), struct.pack("<IH", 2, 0)),
        "0 persons",
    ),
    "one dimension": (written(*clip(4, 2, 1, 8), ONE, form="XC"), "8 points of 1 dimensions"),
    "no confidence": (written(*clip(4, 2, 1, 8), ONE, form="XYZ"), "no plain name or the form 'XYZ'"),
    "infinite": (written(np.full((1, 1, 8, 3), np.inf), np.ones((1, 1, 8)), ONE), "a number that is infinite"),
    "terabytes": (
        SOUND[:-256].replace(struct.pack("<IH", 2, 1), struct.pack("<IH", 2**32 - 1, 9)),
        "0 bytes for 4,294,967,295",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named(case, tmp_path):
    content, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        read_clips(
            "pose", write_files(tmp_path, {"a.pose": content, "labels.csv": "id,label\na,1\n"}), layout="natops8"
        )
    assert len(str(caught.value).splitlines()) == 1


@fuzz
@given(data=st.data())
def test_fuzz_pose(data):
    small = {"a.pose": data.draw(damaged(SOUND)), "labels.csv": b"file,label\na,yes\n"}
    only_clean_reads("pose", small, Options(layout="natops8"))
