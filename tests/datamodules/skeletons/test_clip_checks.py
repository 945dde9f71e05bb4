"""Every fault is planted in a small sound store, found and named; what is sound is not accused."""

import numpy as np
import pytest

from datamodules.skeletons.checks import check_clips
from datamodules.skeletons.joint_checks import Movement, check_joints
from datamodules.skeletons.store import ClipStore
from datamodules.skeletons.store_writer import SPLITS, Clip, new_store
from schemas.findings import DATA_CHECKS, Severity
from schemas.skeleton import load_layout

KINECT = load_layout("kinect20")
APART = {("train", "val"): "signer", ("train", "test"): "signer"}
SIGNERS = {"train": ("ann", "ben", "cem"), "val": ("dee",), "test": ("eva",)}


def sound_clips(each: int = 12, classes: int = 4, extra: int = 0) -> list[Clip]:
    """Bodies that walk, gaps and all; every split has its own signers and all classes."""
    rng, clips = np.random.default_rng(0), []
    for split in SPLITS:
        for number in range(each * (3 if split == "train" else 1)):
            length = int(rng.integers(6, 14))
            frames = rng.normal(size=(1, 20, 3)) + np.cumsum(rng.normal(0, 0.1, size=(length, 20, 3)), axis=0)
            signers = SIGNERS[split]
            clips.append(
                Clip(
                    frames=frames.astype(np.float32),
                    label=number % classes,
                    id=f"{split}_{number}",
                    split=split,
                    visible=rng.random((length, 20)) > 0.1,
                    extra=rng.normal(size=(length, extra)) if extra else None,
                    groups={"signer": signers[number % len(signers)]},
                )
            )
    return clips


@pytest.fixture
def found(tmp_path):
    """From clips to (check -> the finding's words); a check that finds twice has both."""

    def look(clips, rows=None, apart=APART, classes=4):
        extra = 0 if clips[0].extra is None else clips[0].extra.shape[1]
        names = [f"class_{number}" for number in range(classes)]
        with new_store(tmp_path / "store", KINECT, names, source={}, importer="tests", extra=extra) as writer:
            for clip in clips:
                writer.add(clip)
        store = ClipStore(tmp_path / "store")
        findings = check_clips(store, rows or {split: store.rows(split) for split in SPLITS}, apart)
        assert len({finding.key for finding in findings}) == len(findings)
        assert all(finding.epoch is None and finding.check in DATA_CHECKS for finding in findings)
        return findings

    return look


def only(findings, check: str, severity: Severity = Severity.WARNING) -> str:
    """The words of the one finding that there is."""
    assert [(finding.check, finding.severity) for finding in findings] == [(check, severity)]
    return findings[0].saw


def by_id(clips: list[Clip], name: str) -> Clip:
    return next(clip for clip in clips if clip.id == name)


def copied(clips: list[Clip], source: str, target: str) -> None:
    """Clip `target` becomes the recording of `source`, under its own name, split, label and signer."""
    one, other = by_id(clips, source), by_id(clips, target)
    other.frames, other.visible = one.frames, one.visible


def in_train(clips: list[Clip]) -> list[Clip]:
    return [clip for clip in clips if clip.split == "train"]


def thinned(clips: list[Clip], labels: set[int], keep: int) -> list[Clip]:
    """Without all but the first `keep` training clips of each of these classes."""
    left = []
    for clip in clips:
        same = [other for other in left if (other.split, other.label) == ("train", clip.label)]
        if clip.split != "train" or clip.label not in labels or len(same) < keep:
            left.append(clip)
    return left


def test_a_sound_store_has_no_findings(found):
    assert found(sound_clips(extra=3)) == []


def test_a_copy_in_test_is_named_with_both_ids(found):
    clips = sound_clips()
    copied(clips, "train_5", "test_1")
    copied(clips, "train_8", "val_4")
    findings = found(clips)
    assert {(finding.check, finding.severity) for finding in findings} == {("duplicates", Severity.WARNING)}
    in_val, in_test = (finding.saw for finding in findings)
    assert in_test.startswith("1 of 12 test clips") and "test_1 (test) is train_5 (train)" in in_test
    assert in_val.startswith("1 of 12 val clips") and "val_4 (val) is train_8 (train)" in in_val


def test_clips_in_which_nothing_is_seen_are_no_copies(found):
    clips = sound_clips()
    for name in ("train_0", "test_0"):
        clip = by_id(clips, name)
        clip.frames, clip.visible = np.ones((7, 20, 3)), np.zeros((7, 20), dtype=bool)
    assert found(clips) == []


def test_a_recording_under_two_classes_is_noted(found):
    clips = sound_clips()
    copied(clips, "train_0", "train_6")
    said = only(found(clips), "two_classes", Severity.NOTE)
    assert "train_0 (train, class_0) and train_6 (train, class_2)" in said


def test_validation_on_the_test_clips_is_refused(found):
    clips = sound_clips()
    rows = {split: np.flatnonzero([clip.split == split for clip in clips]) for split in SPLITS}
    findings = found(clips, rows | {"val": rows["test"]})
    assert only(findings, "test_as_validation", Severity.STOP).startswith("12 of 12 test clips are the same clips")
    assert "datamodule.split" in findings[0].remedy


@pytest.mark.parametrize(("copies", "stops"), [(12, True), (11, True), (10, False)])
def test_validation_on_copies_of_most_test_clips_is_refused(found, copies, stops):
    """From 90 % of the smaller split on; 10 of 12 are a matter of copies."""
    clips = sound_clips()
    for number in range(copies):
        copied(clips, f"test_{number}", f"val_{number}")
    severity = Severity.STOP if stops else Severity.WARNING
    said = only(found(clips), "test_as_validation" if stops else "duplicates", severity)
    assert "test_0 (test) is val_0 (val)" in said


def test_a_row_in_train_and_test_is_refused(found):
    clips = sound_clips()
    rows = {split: np.flatnonzero([clip.split == split for clip in clips]) for split in SPLITS}
    rows["train"] = np.append(rows["train"], rows["test"][:2])
    said = only(found(clips, rows, apart={}), "overlap", Severity.STOP)
    assert said == "2 clips are in train and in test at once: test_0, test_1."


def test_a_row_on_both_sides_is_no_copy_of_itself(found):
    clips = sound_clips()
    copied(clips, "test_0", "train_8")
    rows = {split: np.flatnonzero([clip.split == split for clip in clips]) for split in SPLITS}
    rows["train"] = np.append(rows["test"][:1], rows["train"])
    findings = found(clips, rows, apart={})
    assert [finding.check for finding in findings] == ["overlap", "duplicates"]
    assert findings[1].saw.endswith("test_0 (test) is train_8 (train).")


def test_a_signer_on_both_sides_is_named_where_the_split_claims_none(found):
    clips = sound_clips()
    by_id(clips, "test_3").groups = {"signer": "ben"}
    said = only(found(clips), "groups")
    assert "train and test should have no signer in common, 1 of 2 in test" in said and "ben (12 / 1 clips)" in said


def test_a_signer_on_both_sides_is_no_matter_where_nothing_is_claimed(found):
    clips = sound_clips()
    by_id(clips, "test_3").groups = {"signer": "ben"}
    assert found(clips, apart={("train", "val"): "signer"}) == []


def test_a_class_without_training_clips_is_named(found):
    clips = [clip for clip in sound_clips() if clip.split == "test" or clip.label != 2]
    said = only(found(clips), "absent_labels")
    assert "classes of test" in said and "class_2 (3 clips)" in said and "25.0% of test" in said


@pytest.mark.parametrize(("kept", "severity"), [(2, Severity.NOTE), (1, Severity.WARNING)])
def test_a_class_that_outweighs_the_others_is_said(found, kept, severity):
    """Of 12 classes with 30 training clips each, all but the first keep `kept`: it is 15 or 30 times as large."""
    clips = thinned(sound_clips(each=120, classes=12), set(range(1, 12)), kept)
    said = only(found(clips, classes=12), "imbalance", severity)
    assert f"class class_0 has 30 of {30 + 11 * kept} training clips" in said and f"median class {kept}" in said


def test_two_classes_may_be_as_uneven_as_nine_to_one(found):
    clips = [clip for clip in sound_clips(each=24) if clip.label < 2]
    assert "(94.7%)" in only(found(thinned(clips, {1}, 1), classes=2), "imbalance")


def test_two_classes_at_three_to_one_are_no_imbalance(found):
    clips = [clip for clip in sound_clips() if clip.label < 2]
    assert found(thinned(clips, {1}, 3), classes=2) == []


def hide(clips: list[Clip], *joints: str) -> None:
    for clip in clips:
        clip.visible[:, [KINECT.joints.index(joint) for joint in joints]] = False


def test_a_lost_joint_is_named(found):
    clips = sound_clips()
    hide(clips, "left_wrist")
    assert only(found(clips), "constant").startswith("1 of 20 joints are never seen in train: left_wrist.")


def test_a_lost_joint_between_others_is_named(found):
    """It has no mirror image, but what hangs from it is seen."""
    clips = sound_clips()
    hide(clips, "shoulder_centre")
    assert "limbs or other splits are: shoulder_centre" in only(found(clips), "constant")


def test_a_joint_that_is_seen_in_test_alone_is_named(found):
    clips = sound_clips()
    hide([clip for clip in clips if clip.split != "test"], "head")
    assert "other splits are: head" in only(found(clips), "constant")


def test_a_recording_without_feet_is_only_noted(found):
    clips = sound_clips()
    hide(clips, "left_foot", "right_foot")
    assert "left_foot, right_foot" in only(found(clips), "constant", Severity.NOTE)


def test_a_joint_that_stands_still_is_named(found):
    """A place of its own in every clip, up to what float32 rounds."""
    clips, joint = sound_clips(), KINECT.joints.index("right_knee")
    for clip in clips:
        noise = np.random.default_rng(1).uniform(-1e-7, 1e-7, size=(len(clip.frames), 3))
        clip.frames[:, joint] = clip.frames[0, joint] + noise
    assert only(found(clips), "constant").startswith("right_knee: no movement within any of 36 training clips")


def test_a_constant_extra_channel_is_named(found):
    clips = sound_clips(extra=3)
    for clip in clips:
        clip.extra[:, 1] = 0.5
    assert "1 of 3 extra channels" in only(found(clips), "constant")


@pytest.mark.parametrize("joint", ["spine", "hip_centre"])
@pytest.mark.parametrize("each_frame", [True, False])
def test_centred_bodies_are_sound(found, joint, each_frame):
    """The layout's centre is the spine; the root is as common a choice. By the frame, or by the clip's first frame."""
    clips, joint = sound_clips(), KINECT.joints.index(joint)
    for clip in clips:
        clip.visible[:, joint] = True
        clip.frames -= clip.frames[:, [joint]] if each_frame else clip.frames[:1, [joint]]
    assert found(clips) == []


def test_zeros_for_missing_joints_are_named(found):
    """The left hand is lost in a fifth of the frames and written as zeros, as if seen there."""
    clips, joint, rng = sound_clips(), KINECT.joints.index("left_hand"), np.random.default_rng(2)
    for clip in clips:
        lost = rng.random(len(clip.frames)) < 0.2
        clip.frames[lost, joint], clip.visible[lost, joint] = 0, True
    assert only(found(clips), "missing_as_seen").startswith("left_hand: visible and exactly at the origin")


def pad(clips: list[Clip], share: float, frame: str, visible: bool | None) -> None:
    """Appends `share` of a clip's frames: its last one, or zeros, seen as the last one is where `visible` is None."""
    for clip in clips:
        more = int(np.ceil(share * len(clip.frames)))
        last = clip.frames[-1:] if frame == "last" else np.zeros((1, 20, 3), dtype=np.float32)
        seen = clip.visible[-1:] if visible is None else np.full((1, 20), visible)
        clip.frames = np.concatenate([clip.frames, *[last] * more])
        clip.visible = np.concatenate([clip.visible, *[seen] * more])


def test_repeated_last_frames_are_padding(found):
    clips = sound_clips()
    pad(clips, 0.5, "last", None)
    said = only(found(clips), "padding")
    length = len(by_id(clips, "train_0").frames)
    repeated = int(np.ceil(length / 3)) + 1  # what was appended, and the frame that it repeats
    assert said.startswith("36 of 36 training clips") and f"train_0 ({repeated} of {length} frames)" in said


def test_zeros_behind_a_clip_are_padding_and_missing_joints(found):
    clips = sound_clips()
    pad(clips, 0.5, "zeros", True)
    findings = found(clips)
    assert [finding.check for finding in findings] == ["missing_as_seen", "padding"]
    assert "and 11 more" in findings[0].saw  # of 20 joints without the centre, 8 are named


@pytest.mark.parametrize(
    ("share", "frame", "visible", "clips_padded"),
    [
        (0.5, "zeros", False, 36),  # hidden: the store's own word for nothing
        (0.5, "last", None, 17),  # some people do stand still
        (0.1, "last", None, 36),  # one frame at the end
    ],
)
def test_ends_that_are_no_padding(found, share, frame, visible, clips_padded):
    clips = sound_clips()
    for clip in clips:  # long enough for a tenth to be less than a quarter
        clip.frames = np.concatenate([clip.frames, clip.frames[::-1] + 0.5])
        clip.visible = np.concatenate([clip.visible, clip.visible[::-1]])
    pad(in_train(clips)[:clips_padded], share, frame, visible)
    assert found(clips) == []


def test_large_stores_are_looked_at_by_a_sample(found, tmp_path, monkeypatch):
    """All clips are asked for joints that are never seen; the sample is the same in every run."""
    clips = sound_clips()
    found(clips)
    store = ClipStore(tmp_path / "store")
    rows = {split: store.rows(split) for split in SPLITS}
    looked_at = []
    monkeypatch.setattr("datamodules.skeletons.joint_checks.SAMPLE", 7)
    monkeypatch.setattr(Movement, "add", lambda self, row, x, visible: looked_at.append(row))
    for _ in range(2):
        check_joints(store, rows)
    assert looked_at[:7] == looked_at[7:] and len(set(looked_at)) == 7
    assert set(looked_at) <= set(rows["train"].tolist())
