"""NTU RGB+D text: round trips of made-up bodies, the published protocols, and files that are not what they claim."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.skeletons.importers import Options, ntu
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

Body = tuple[str, np.ndarray, np.ndarray]
"""Tracking id, [25, 3] metres, [25] tracking state."""
ONE, OTHER = "72057594037931101", "72057594037931102"
"""Two ids that are the same number as a float."""


def skeleton_text(frames: list[list[Body]]) -> str:
    """A .skeleton file; numpy writes a float32 in as many digits as tell it from all others."""
    lines = [len(frames)]
    for bodies in frames:
        lines.append(len(bodies))
        for body, joints, states in bodies:
            lines += [f"{body} 0 1 1 0 1 0 0.03 -0.12 2", 25]
            for (x, y, z), state in zip(joints, states, strict=True):
                lines.append(f"{x!s} {y!s} {z!s} 277.4 191.9 1036.1 519.3 -0.2 0.03 NaN -0.02 {state}")
    return "\r\n".join(map(str, lines)) + "\r\n"


def alone(joints: np.ndarray, body: str = ONE) -> list[list[Body]]:
    """[T, 25, 3] of one person who is tracked throughout."""
    return [[(body, frame, np.full(25, 2))] for frame in joints]


NAME = "S001C002P003R002A013"
TEXT = skeleton_text(alone(made_up(1, 2, 25, 3)))


def test_made_up_bodies_come_back_to_the_bit(tmp_path):
    joints = {"S001C001P001R001A001": made_up(1, 4, 25, 3), "S018C003P050R002A120": made_up(2, 1, 25, 3) * 1e-3}
    files = {f"nturgb+d_skeletons/{name}.skeleton": skeleton_text(alone(x)) for name, x in joints.items()}
    for source in (write_files(tmp_path / "folder", files), write_zip(tmp_path / "ntu.zip", files)):
        _, clips = read_clips("ntu", source)
        assert list(clips) == sorted(joints)
        for name, clip in clips.items():
            assert clip.frames.dtype == np.float32 and clip.visible.all()
            np.testing.assert_array_equal(clip.frames, joints[name])


@pytest.mark.slow
def test_ucla_as_ntu_text_comes_back_to_the_bit(tmp_path):
    """Its 20 joints stand for the first 20, the rest is not tracked."""
    ucla = dict(zip([f"S001C001P001R001A{n:03d}" for n in range(1, 121)], ucla_clips().values(), strict=False))
    files = {}
    for name, clip in ucla.items():
        joints, states = np.zeros((len(clip.frames), 25, 3), np.float32), np.zeros((len(clip.frames), 25), int)
        joints[:, :20], states[:, :20] = clip.frames, 2 * clip.visible
        files[f"{name}.skeleton"] = skeleton_text([[(ONE, *body)] for body in zip(joints, states, strict=True)])
    _, clips = read_clips("ntu", write_files(tmp_path, files))
    assert list(clips) == list(ucla)
    for name, clip in clips.items():
        np.testing.assert_array_equal(clip.frames[:, :20], ucla[name].frames)
        np.testing.assert_array_equal(clip.visible[:, :20], ucla[name].visible)
        assert not clip.visible[:, 20:].any()


def test_a_name_becomes_label_and_groups(tmp_path):
    _, clips = read_clips("ntu", write_files(tmp_path, {f"{NAME}.skeleton": TEXT}))
    assert clips[NAME].label == 12
    assert clips[NAME].groups == {"subject": "003", "camera": "2", "setup": "001", "replication": "2"}


@pytest.mark.parametrize(
    "split, expected",
    [(None, "train train test test"), ("xview", "test train train test"), ("xset", "test train test train")],
)
def test_the_published_splits(split, expected, tmp_path):
    names = ["S001C001P001R001A001", "S002C002P103R001A001", "S003C003P003R001A001", "S004C001P106R001A001"]
    source = write_files(tmp_path, {f"{name}.skeleton": TEXT for name in names})
    _, clips = read_clips("ntu", source, split=split)
    assert [clips[name].split for name in names] == expected.split()


def test_half_of_the_subjects_train():
    assert len(ntu.TRAIN_SUBJECTS) == 106 // 2
    assert sum(subject <= 40 for subject in ntu.TRAIN_SUBJECTS) == 40 // 2


def test_there_are_sixty_classes_unless_an_action_is_beyond(tmp_path):
    reading, _ = read_clips("ntu", write_files(tmp_path, {f"{NAME}.skeleton": TEXT}))
    assert len(reading.classes) == 60 and reading.classes[12] == "tear up paper"
    reading, _ = read_clips("ntu", write_files(tmp_path, {"S001C001P001R001A061.skeleton": TEXT}))
    assert len(set(reading.classes)) == 120 and reading.classes[59:61] == (
        "walking apart from each other",
        "put on headphone",
    )


def test_bodies_are_followed_by_their_ids(tmp_path):
    """Two persons who change places in the file; the second one moves more."""
    still, moving = np.repeat(made_up(1, 1, 25, 3), 3, axis=0), made_up(2, 3, 25, 3)
    seen = np.full(25, 2)
    frames = [[(ONE, a, seen), (OTHER, b, seen)] for a, b in zip(still, moving, strict=True)]
    frames[1].reverse()
    source = write_files(tmp_path, {f"{NAME}.skeleton": skeleton_text(frames)})
    chosen = {policy: read_clips("ntu", source, persons=policy) for policy in (None, "first", "both")}
    np.testing.assert_array_equal(chosen[None][1][NAME].frames, moving)
    np.testing.assert_array_equal(chosen["first"][1][NAME].frames, still)
    np.testing.assert_array_equal(chosen["both"][1][NAME].frames, np.concatenate([moving, still], axis=1))
    assert chosen["both"][0].layout.num_joints == 50 and not chosen["both"][0].left_out
    assert set(chosen["first"][0].left_out.values()) == {1}


def test_a_joint_that_was_not_tracked_and_an_absent_body_are_not_seen(tmp_path):
    joints, states = made_up(1, 3, 25, 3), np.full((3, 25), 2)
    states[0, 7], states[2, 3] = 0, 1
    frames = [[(ONE, joints[0], states[0])], [], [(ONE, joints[2], states[2])]]
    source = write_files(tmp_path, {f"{NAME}.skeleton": skeleton_text(frames)})
    _, clips = read_clips("ntu", source)
    expected = np.ones((3, 25), dtype=bool)
    expected[0, 7] = expected[1] = False
    np.testing.assert_array_equal(clips[NAME].visible, expected)


def test_two_files_of_one_name_are_refused(tmp_path):
    source = write_files(tmp_path, {f"{folder}/{NAME}.skeleton": TEXT for folder in ("s001", "copy")})
    with pytest.raises(DataError, match=f"copy/{NAME}.skeleton and s001/{NAME}.skeleton have the same name"):
        read_clips("ntu", source)


def test_one_file_is_no_zip_file_and_not_damaged(tmp_path):
    source = write_files(tmp_path, {f"{NAME}.skeleton": TEXT}) / f"{NAME}.skeleton"
    with pytest.raises(DataError, match=r"it is one file, and no zip file\. Give the folder that it lies in"):
        read_clips("ntu", source)


def test_missing_skeletons_are_left_out_or_unseen(tmp_path):
    files = {f"S001C001P001R001A00{n}.skeleton": TEXT for n in (1, 2)}
    files |= {"S001C001P001R001A003.skeleton": skeleton_text([[], []]), "S001C001P001R001A004.skeleton": "0\n"}
    files |= {"NTU_RGBD_samples_with_missing_skeletons.txt": "S001C001P001R001A002\r\nS009C001P001R001A002\r\n"}
    files |= {"readme.txt": "x"}
    reading, clips = read_clips("ntu", write_files(tmp_path, files))
    assert [clip.visible.any() for clip in clips.values()] == [True, False, False]
    assert list(clips) == [f"S001C001P001R001A00{n}" for n in (1, 3, 4)] and reading.total == 3
    assert reading.skipped == {"listed as a missing skeleton": 1, "not named SsssCcccPpppRrrrAaaa.skeleton": 1}


def test_the_same_source_gives_the_same_bytes(tmp_path):
    source = write_files(tmp_path / "source", {f"{NAME}.skeleton": TEXT, "S001C001P001R001A001.skeleton": TEXT})
    assert store_bytes("ntu", source, tmp_path / "one/s") == store_bytes("ntu", source, tmp_path / "two/s")


def test_an_unknown_split_names_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match="xsub, xview, xset"):
        read_clips("ntu", write_files(tmp_path, {f"{NAME}.skeleton": TEXT}), split="xsubject")


@pytest.mark.parametrize("persons", [None, "both"])
def test_without_labels_a_file_may_have_any_name(persons, tmp_path):
    labelled = write_files(tmp_path / "labelled", {f"{NAME}.skeleton": TEXT})
    expected = read_clips("ntu", labelled, persons=persons)[1][NAME]
    source = write_files(tmp_path / "own", {"S001C004P003R002.skeleton": TEXT, "in/A 1.skeleton": TEXT, "x.txt": ""})
    options, assumed = Options(persons=persons), load_layout("ntu25")
    reading = ntu.read_unlabelled(source, options, assumed)
    clips = [*reading.clips, *ntu.read_unlabelled(source / "in/A 1.skeleton", options, assumed).clips]
    assert [clip.id for clip in clips] == ["S001C004P003R002", "in/A 1", "A 1"] and reading.total == 2
    assert reading.layout.num_joints == (50 if persons else 25)
    for clip in clips:
        np.testing.assert_array_equal(clip.frames, expected.frames)
        np.testing.assert_array_equal(clip.visible, expected.visible)
    with pytest.raises(ConfigError, match="Leave split= out"):
        ntu.read_unlabelled(source, Options(split="xsub"), assumed)


LINES = TEXT.split("\r\n")


def with_line(number: int, line: str) -> str:
    return "\n".join([*LINES[: number - 1], line, *LINES[number:]])


TWICE = skeleton_text([[(ONE, made_up(1, 25, 3), np.full(25, 2))] * 2])
CROWD = "9000\n" + "".join(skeleton_text(alone(made_up(1, 1, 25, 3), f"{n}"))[3:] for n in range(60))
BAD = {
    "truncated": (TEXT[: len(TEXT) // 2], "line [0-9]+: "),
    "ends between lines": ("\n".join(LINES[:20]), "line 20: the file ends here"),
    "joints": (with_line(4, "24"), "line 4: it is not 25"),
    "values of a joint": (with_line(9, "1 2 3"), "line 9: it has 3 values, there must be 12"),
    "values of a body": (with_line(3, ONE), "line 3: it has 1 values, there must be 10"),
    "words": (with_line(6, "a" + LINES[5]), "line 6: it is not all numbers"),
    "not finite": (with_line(6, "nan " + LINES[5].split(" ", 1)[1]), "line 29: a joint .* no finite number"),
    "beyond a float32": (with_line(6, "1e99 " + LINES[5].split(" ", 1)[1]), "line 29: a joint"),
    "no number of frames": (with_line(1, "-2"), "line 1: it is not the number of frames"),
    "body twice": (TWICE, "line 30: a body stands twice"),
    "too many bodies": (CROWD, "line [0-9]+: 12 bodies in 9,000 frames"),
    "more lines": (TEXT + "1\n", "line 57: more lines follow"),
    "empty": ("", "line 0: the file ends here"),
    "not text": (b"\xff\xfe\x00\x01", "line 1: it is not the number of frames"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_with_its_line(case, tmp_path):
    content, message = BAD[case]
    with pytest.raises(DataError, match=f"{NAME}.skeleton, {message}"):
        read_clips("ntu", write_files(tmp_path, {f"{NAME}.skeleton": content}))


@pytest.mark.parametrize("name", ["S001C001P001R001A121", "S001C004P001R001A001", "S001C001P001R001A000"])
def test_an_action_or_camera_that_does_not_exist_is_refused(name, tmp_path):
    with pytest.raises(DataError, match=f"{name}.*actions 1 to 120 and cameras 1 to 3"):
        read_clips("ntu", write_files(tmp_path, {f"{name}.skeleton": TEXT}))


SMALL = skeleton_text([[(ONE, np.ones((25, 3), int), np.full(25, 2))], [(OTHER, np.ones((25, 3), int), np.zeros(25))]])


@fuzz
@given(content=damaged(SMALL.encode()), persons=st.sampled_from([None, "both"]))
def test_fuzz_ntu(content, persons):
    only_clean_reads("ntu", {f"{NAME}.skeleton": content}, Options(persons=persons))
