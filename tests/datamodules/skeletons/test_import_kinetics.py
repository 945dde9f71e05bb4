"""Kinetics-skeleton JSON: round trips, persons by their score, labels and splits, and files that are not that."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.skeletons.importers import Options, kinetics
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

Person = tuple[np.ndarray, np.ndarray]
"""[18, 2] positions and [18] scores."""


def as_json(frames: dict[int, list[Person]], label: str = "abseiling", index: int = 0) -> str:
    """A clip as ST-GCN writes it; JSON holds every bit of a float."""
    data = [
        {
            "frame_index": number,
            "skeleton": [{"pose": xy.ravel().tolist(), "score": score.tolist()} for xy, score in persons],
        }
        for number, persons in frames.items()
    ]
    return json.dumps({"data": data, "label": label, "label_index": index})


def person(seed: int, score: float = 0.5) -> Person:
    return made_up(seed, 18, 2), np.full(18, score)


def labels(**entries: tuple[str, int]) -> str:
    return json.dumps(
        {
            clip_id: {"has_skeleton": not clip_id.startswith("empty"), "label": label, "label_index": index}
            for clip_id, (label, index) in entries.items()
        }
    )


FILES = {
    "kinetics_train/-bbb.json": as_json({1: [person(1)], 2: [person(2)]}, "zumba", 399),
    "kinetics_train/aaa_.json": as_json({1: [person(3)]}),
    "kinetics_train/empty1.json": as_json({}),
    "kinetics_val/ccc.json": as_json({1: [person(4)]}, "zumba", 399),
    "kinetics_train_label.json": labels(**{"-bbb": ("zumba", 399), "aaa_": ("abseiling", 0), "empty1": ("zumba", 399)}),
    "kinetics_val_label.json": labels(ccc=("zumba", 399)),
}


@pytest.mark.parametrize("with_lists", [True, False], ids=["lists", "no lists"])
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_splits_labels_and_classes(form, with_lists, tmp_path):
    files = {name: text for name, text in FILES.items() if with_lists or "label" not in name}
    source = write_zip(tmp_path / "k.zip", files) if form == "zip" else write_files(tmp_path / "k", files)
    reading, clips = read_clips("kinetics", source)
    unseen = clips.pop("empty1", None)
    assert list(clips) == ["-bbb", "aaa_", "ccc"]
    assert [clip.split for clip in clips.values()] == ["train", "train", "test"]
    assert reading.classes == ("abseiling", "zumba") and [clip.label for clip in clips.values()] == [1, 0, 1]
    assert "its val as test" in reading.source["description"] and reading.coordinates == 2
    if with_lists:
        assert reading.skipped == {"without a skeleton, by the list of labels": 1} and unseen is None
    else:
        assert not reading.skipped and not unseen.visible.any()


def test_made_up_poses_come_back_to_the_bit(tmp_path):
    poses, scores = made_up(1, 5, 18, 2), np.ones((5, 18))
    scores[2, 7] = scores[4] = 0
    source = write_files(tmp_path, {"own/x.json": as_json({t: [(poses[t], scores[t])] for t in range(5)})})
    _, clips = read_clips("kinetics", source)
    np.testing.assert_array_equal(clips["x"].frames, poses)
    np.testing.assert_array_equal(clips["x"].visible, scores > 0)
    assert clips["x"].split == "train"


@pytest.mark.slow
def test_ucla_as_kinetics_json_comes_back_to_the_bit(tmp_path):
    """x and y of its first 18 joints."""
    ucla = ucla_clips()
    files = {}
    for name, clip in ucla.items():
        pairs = enumerate(zip(clip.frames[:, :18, :2], clip.visible[:, :18].astype(float), strict=True))
        files[f"{clip.split.replace('test', 'val')}/{name}.json"] = as_json({t: [body] for t, body in pairs})
    _, clips = read_clips("kinetics", write_files(tmp_path, files))
    assert set(clips) == set(ucla)
    for name, clip in clips.items():
        np.testing.assert_array_equal(clip.frames, ucla[name].frames[:, :18, :2])
        np.testing.assert_array_equal(clip.visible, ucla[name].visible[:, :18])
        assert clip.split == ucla[name].split


def test_frames_stand_at_their_numbers_whatever_their_order_in_the_file(tmp_path):
    frames = {7: [person(7)], 4: [person(4)], 5: []}
    _, clips = read_clips("kinetics", write_files(tmp_path, {"x.json": as_json(frames)}))
    np.testing.assert_array_equal(clips["x"].visible.any(axis=1), [True, False, False, True])
    np.testing.assert_array_equal(clips["x"].frames[[0, 3]], [person(4)[0], person(7)[0]])


def test_persons_stand_by_their_mean_score_in_each_frame(tmp_path):
    weak, strong, faint = person(1, 0.4), person(2, 0.9), person(3, 0.1)
    source = write_files(tmp_path, {"x.json": as_json({0: [weak, strong, faint], 1: [weak], 2: [strong, weak]})})
    reading, clips = read_clips("kinetics", source)
    np.testing.assert_array_equal(clips["x"].frames, [strong[0], weak[0], strong[0]])
    assert reading.left_out == {"left out, persons beyond the best-scored": 2, "clips with a person left out": 1}
    reading, clips = read_clips("kinetics", source, persons="both")
    nobody = np.zeros((18, 2))
    expected = [[strong[0], weak[0]], [weak[0], nobody], [strong[0], weak[0]]]
    np.testing.assert_array_equal(clips["x"].frames.reshape(3, 2, 18, 2), expected)
    assert clips["x"].visible.reshape(3, 2, 18).all(axis=2).tolist() == [[True, True], [True, False], [True, True]]
    assert reading.layout.num_joints == 36 and reading.left_out["clips with a person left out"] == 1


def test_a_lone_person_leaves_the_second_place_empty(tmp_path):
    _, clips = read_clips("kinetics", write_files(tmp_path, {"x.json": as_json({0: [person(1)]})}), persons="both")
    assert clips["x"].frames.shape == (1, 36, 2) and clips["x"].visible[0].tolist() == [True] * 18 + [False] * 18


def test_who_moves_most_cannot_be_said(tmp_path):
    with pytest.raises(ConfigError, match="persons=first"):
        read_clips("kinetics", write_files(tmp_path, FILES), persons="most_moving")


def test_a_file_beside_the_splits_is_counted(tmp_path):
    source = write_files(tmp_path, FILES | {"extra/ddd.json": as_json({0: [person(1)]}), "notes.txt": "x"})
    skipped = read_clips("kinetics", source)[0].skipped
    assert skipped["neither in a folder of train nor of val"] == 1 and skipped["not .json"] == 1


def test_the_same_source_gives_the_same_bytes(tmp_path):
    source = write_files(tmp_path / "source", FILES)
    assert store_bytes("kinetics", source, tmp_path / "one/s") == store_bytes("kinetics", source, tmp_path / "two/s")


@pytest.mark.parametrize("persons", [None, "both"])
def test_without_labels_every_json_but_the_lists_is_a_clip(persons, tmp_path):
    files = FILES | {"kinetics_train/two.json": as_json({1: [person(5), person(6, 0.9)]})}
    _, expected = read_clips("kinetics", write_files(tmp_path / "labelled", files), persons=persons)
    bare = {name: json.dumps({"data": json.loads(text)["data"]}) for name, text in files.items() if "label" not in name}
    source = write_files(tmp_path / "own", bare | {"kinetics_val_label.json": "unread"})
    options, assumed = Options(persons=persons), load_layout("openpose18")
    reading = kinetics.read_unlabelled(source, options, assumed)
    clips = {clip.id: clip for clip in reading.clips}
    assert set(clips) == {name.removesuffix(".json") for name in bare} and reading.total == len(bare) == 5
    assert not clips.pop("kinetics_train/empty1").visible.any()
    for name, clip in clips.items():
        np.testing.assert_array_equal(clip.frames, expected[name.split("/")[1]].frames)
        np.testing.assert_array_equal(clip.visible, expected[name.split("/")[1]].visible)
    assert reading.layout.num_joints == (36 if persons else 18)
    (one,) = kinetics.read_unlabelled(source / X, options, assumed).clips
    np.testing.assert_array_equal(one.frames, expected["ccc"].frames)


def pose(**changes) -> str:
    skeleton = {"pose": [0.5] * 36, "score": [1.0] * 18} | changes
    return json.dumps({"data": [{"frame_index": 3, "skeleton": [skeleton]}], "label": "zumba", "label_index": 399})


X = "kinetics_val/ccc.json"
LIST = "kinetics_val_label.json"
BAD = {
    "not JSON": ({X: FILES[X][:-9]}, f"{X}: it is not JSON"),
    "not text": ({X: b"\xff\x00"}, f"{X}: it is not JSON"),
    "deep": ({X: "[" * 100_000}, f"{X}: it is not JSON"),
    "a list": ({X: "[]"}, f"{X}: it is not JSON"),
    "no data": ({X: '{"label": "zumba", "label_index": 399}'}, f"{X}: it is not a clip"),
    "joints": ({X: pose(pose=[0.5] * 34)}, f"{X}: .*frame 3 has no pose of 36"),
    "scores": ({X: pose(score=[0.5] * 17)}, f"{X}: .*frame 3 has no pose of 36 and score of 18"),
    "words": ({X: pose(pose=["far"] * 36)}, f"{X}: it is not a clip"),
    "null": ({X: pose(pose=[None] * 36)}, f"{X}: .*frame 3 has a number that is not finite"),
    "not finite": ({X: pose(pose=[float("nan")] * 36)}, f"{X}: .*frame 3 has a number that is not finite"),
    "beyond a float32": ({X: pose(pose=[1e300] * 36)}, f"{X}: .*frame 3 has a number that is not finite"),
    "frame twice": ({X: pose().replace("}]}]", '}]}, {"frame_index": 3, "skeleton": []}]')}, f"{X}: .*frame_index 3"),
    "frame far away": ({X: pose().replace("}]}]", '}]}, {"frame_index": 900000, "skeleton": []}]')}, "899,998 frames"),
    "negative frame": ({X: pose().replace('index": 3,', 'index": -3,')}, f"{X}: .*frame_index -3"),
    "no label": ({X: pose().replace("zumba", "")}, f"{X}: its label_index is 399 and its label ''"),
    "unlabelled": ({X: pose().replace("399", "-1")}, f"{X}: its label_index is -1"),
    "label of none": ({X: pose().replace("399", "7")}, f"{X}: its label 7, 'zumba', is not that of the list"),
    "label of another": ({X: as_json({0: [person(1)]})}, f"{X}: its label 0, 'abseiling', is not that of the list"),
    "two names": ({LIST: labels(ccc=("samba", 399))}, "'ccc': label_index 399 is 'samba' here and 'zumba' before"),
    "broken list": ({LIST: "{"}, f"{LIST}: it is not JSON"),
    "list of words": ({LIST: '{"ccc": "zumba"}'}, f"{LIST}: entry 'ccc' is no object"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named(case, tmp_path):
    changes, message = BAD[case]
    with pytest.raises(DataError, match=f"(?s)kinetics.*{message}"):
        read_clips("kinetics", write_files(tmp_path / "kinetics", FILES | changes))


def test_a_source_of_lists_alone_is_refused(tmp_path):
    with pytest.raises(DataError, match="no JSON of a clip"):
        read_clips("kinetics", write_files(tmp_path, {LIST: FILES[LIST]}))


SMALL = as_json({0: [(np.ones((18, 2)), np.ones(18)), (np.zeros((18, 2)), np.ones(18))], 1: []})


@fuzz
@given(data=st.data())
def test_fuzz_kinetics(data):
    files = {"k_train/a.json": SMALL.encode(), "k_train_label.json": labels(a=("abseiling", 0)).encode()}
    name = data.draw(st.sampled_from(sorted(files)))
    files[name] = data.draw(damaged(files[name]))
    if data.draw(st.booleans()):
        del files["k_train_label.json"]
    only_clean_reads("kinetics", files, Options(persons=data.draw(st.sampled_from([None, "both"]))))
