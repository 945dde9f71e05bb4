"""PYSKL pickles written here by pickle itself: round trips, splits, persons, faults and mutated bytes."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from datamodules.skeletons.importers import Options, pyskl
from datamodules.skeletons.store import ClipStore
from experiment.preparation.prepare import Request, prepare
from schemas.errors import DataError
from schemas.skeleton import load_layout
from tests.datamodules.skeletons.import_fuzz import damaged, fuzz, only_clean_reads

RNG = np.random.default_rng(0)
SPLIT = {"xsub_train": ["a", "b"], "xsub_val": ["c"], "xview_train": ["c"], "xview_val": ["a"]}


def annotation(name: str, label: int = 0, persons: int = 1, frames: int = 3, **changes) -> dict:
    """A clip of COCO key points as PYSKL writes them, of half precision."""
    keypoint = RNG.normal(100, 20, size=(persons, frames, 17, 2)).astype(np.float16)
    score = RNG.uniform(0.1, 1, size=(persons, frames, 17)).astype(np.float16)
    shapes = {"img_shape": (1080, 1920), "original_shape": (1080, 1920), "total_frames": frames}
    return {"frame_dir": name, "label": label, "keypoint": keypoint, "keypoint_score": score} | shapes | changes


def content(*annotations: dict, split: dict | None = None) -> dict:
    return {"split": split or {"train": ["a", "b"], "val": ["c"]}, "annotations": list(annotations)}


ABC = (annotation("a"), annotation("b", 1), annotation("c", 1))


def written(folder: Path, plain: object, protocol: int = 2) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "clips.pkl").write_bytes(pickle.dumps(plain, protocol=protocol))
    return folder / "clips.pkl"


def read(folder: Path, plain: object, **options):
    """The reading and all its clips."""
    reading = pyskl.read(written(folder, plain), Options(**options))
    return reading, list(reading.clips)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("layout", ["kinect20", "ntu25"])
def test_a_store_comes_back_to_the_bit(protocol, layout, make_store, tmp_path):
    store = make_store(layout=layout, groups=("subject",))
    clips = [store.gather([row]) for row in range(len(store))]
    annotations = [
        {"frame_dir": name, "label": int(label), "keypoint": clip.joints.numpy(), "total_frames": clip.joints.shape[1]}
        for name, label, clip in zip(store.ids.tolist(), store.labels, clips, strict=True)
    ]
    split = {part: store.ids[store.rows(part)].tolist() for part in ("train", "val", "test")}
    source = written(tmp_path, {"split": split, "annotations": annotations}, protocol)
    options = Options(layout=layout if layout != "ntu25" else None)
    prepare(Request(format="pyskl", source=source, name="again", root=tmp_path, options=options))
    again = ClipStore(tmp_path / "again")
    again.verify()
    for column in ("frames", "visible", "offsets", "labels", "splits", "ids"):
        np.testing.assert_array_equal(getattr(again, column), getattr(store, column), err_msg=column)
    assert again.skeleton == store.skeleton


def test_half_precision_and_scores_become_frames_and_what_was_seen(tmp_path):
    one = annotation("a")
    one["keypoint_score"][0, 1, 4] = 0
    one["keypoint"][0, 2, 5] = 0
    one["keypoint"][0, 2, 6, 1] = np.nan
    reading, (clip,) = read(tmp_path, [one])
    assert reading.layout.name == "coco17" and reading.coordinates == 2
    assert np.argwhere(~clip.visible).tolist() == [[1, 4], [2, 5], [2, 6]]
    np.testing.assert_array_equal(clip.frames[0], one["keypoint"][0, 0].astype(np.float32))


def test_a_bare_list_is_all_for_training(tmp_path):
    reading, clips = read(tmp_path, list(ABC))
    assert [clip.id for clip in clips] == ["a", "b", "c"] and {clip.split for clip in clips} == {"train"}
    assert reading.classes == ("class 0", "class 1")


@pytest.mark.parametrize(
    ("split", "wanted", "expected"),
    [
        (SPLIT, "xsub", {"a": "train", "b": "train", "c": "test"}),
        (SPLIT, "xview", {"c": "train", "a": "test"}),
        ({"train": ["a"], "val": ["b"]}, None, {"a": "train", "b": "test"}),
        ({"train": ["a"], "val": ["b"], "test": ["c"]}, None, {"a": "train", "b": "val", "c": "test"}),
        ({"train1": ["a"], "test1": ["b"], "train2": ["b"], "test2": ["a"]}, "2", {"b": "train", "a": "test"}),
        ({"train": ["a"], "val": ["b"], "x_train": ["c"]}, "plain", {"a": "train", "b": "test"}),
    ],
    ids=["xsub", "xview", "one split", "three parts", "numbered", "plain"],
)
def test_a_split_is_found_by_its_name(split, wanted, expected, tmp_path):
    _, clips = read(tmp_path, content(*ABC, split=split), split=wanted)
    assert {clip.id: clip.split for clip in clips} == expected


def test_what_is_in_no_list_and_what_is_not_there_are_counted(tmp_path):
    lists = {"x_train": ["a", "gone"], "x_val": ["b", "lost"]}
    reading, _ = read(tmp_path, content(*ABC, split=lists))
    assert reading.skipped == {"in no list of split x": 1, "listed in split x and not there": 2}


def test_class_names_come_from_a_file_of_lines(tmp_path):
    (tmp_path / "names.txt").write_text("drink water\nput on a hat, cap\n\n")
    reading, _ = read(tmp_path, content(*ABC), labels=tmp_path / "names.txt")
    assert reading.classes == ("drink water", "put on a hat, cap")


def test_persons_are_chosen_and_the_summary_counts_the_others(tmp_path):
    three = annotation("a", persons=3)
    three["keypoint"][1] *= 3
    source = written(tmp_path, content(three, *ABC[1:]))

    def summary(policy: str | None):
        options = Options(persons=policy)
        return prepare(Request(format="pyskl", source=source, name="store", root=tmp_path, options=options))

    left_out = summary(None).left_out
    assert left_out == {"left out, persons beyond most_moving": 2, "clips with a person left out": 1}
    frames = ClipStore(tmp_path / "store").gather([0]).joints[0].numpy()
    np.testing.assert_array_equal(frames, three["keypoint"][1].astype(np.float32))
    assert summary("both").left_out["left out, persons beyond both"] == 1
    store = ClipStore(tmp_path / "store")
    assert store.skeleton.name == "coco17_two_persons" and store.header["source"]["description"].endswith("both")
    assert not store.gather([1]).visible[0, :, 17:].any()


UNLABELLED = [{key: value for key, value in own.items() if key != "label"} for own in ABC]


@pytest.mark.parametrize(
    ("plain", "split", "names"),
    [
        (UNLABELLED, None, "abc"),
        ({"annotations": UNLABELLED}, None, "abc"),
        (content(*UNLABELLED, split=SPLIT), None, "abc"),
        (content(*UNLABELLED, split=SPLIT), "xview", "ac"),
        (list(ABC), None, "abc"),
    ],
    ids=["list", "dict", "splits", "one split", "labels unused"],
)
def test_without_labels_all_clips_are_read_or_those_of_a_split(plain, split, names, tmp_path):
    _, expected = read(tmp_path / "labelled", list(ABC))
    reading = pyskl.read_unlabelled(written(tmp_path / "own", plain), Options(split=split), load_layout("kinect20"))
    clips = list(reading.clips)
    assert "".join(clip.id for clip in clips) == names and reading.total == len(names)
    assert reading.layout.name == "coco17" and reading.coordinates == 2
    for clip, labelled in zip(clips, (clip for clip in expected if clip.id in names), strict=True):
        np.testing.assert_array_equal(clip.frames, labelled.frames)
        np.testing.assert_array_equal(clip.visible, labelled.visible)


def test_joints_of_a_number_that_says_nothing_are_taken_for_the_runs(tmp_path):
    source, assumed = written(tmp_path, [joints(20)]), load_layout("kinect20")
    assert pyskl.read_unlabelled(source, Options(), assumed).layout is assumed
    with pytest.raises(DataError, match=r"20 joints.*Give layout=NAME"):
        pyskl.read_unlabelled(source, Options(), load_layout("ntu25"))


def without(key: str) -> dict:
    return {name: value for name, value in annotation("a").items() if name != key}


def joints(count: int, coordinates: int = 3) -> dict:
    return annotation("a", keypoint=np.ones((1, 3, count, coordinates)), keypoint_score=None)


FAULTS: dict[str, tuple[object, dict, str]] = {
    "other contents": ({"x": 1}, {}, "neither a list of annotations"),
    "no annotation": ([], {}, "neither a list of annotations"),
    "no dict": ([1], {}, "annotation 0: it has no frame_dir"),
    "no name": ([ABC[0], without("frame_dir")], {}, "annotation 1: it has no frame_dir"),
    "a name of two lines": ([annotation("a\nb")], {}, "annotation 0: it has no frame_dir"),
    "a name twice": ([*ABC, ABC[0]], {}, "annotation 3: .*that of another"),
    "no label": ([without("label")], {}, "clip 'a': its label"),
    "a label below 0": ([annotation("a", -1)], {}, "clip 'a': its label"),
    "labels of several": ([annotation("a", label=np.array([0, 1]))], {}, "clip 'a': its label"),
    "a wild label": ([annotation("a", 2**31 - 1)], {}, "a label is 2,147,483,647"),
    "fewer names than labels": ([annotation("a", 5)], {"labels": "two"}, "names.txt: a label is 5, with 2"),
    "no file of names": (list(ABC), {"labels": "none"}, "none.txt: it cannot be read"),
    "no keypoint": ([without("keypoint")], {}, "clip 'a': .*it has none"),
    "kinetics": ([without("keypoint") | {"raw_file": "x"}], {}, "Kinetics files keep theirs apart"),
    "one person without the axis": ([annotation("a", keypoint=np.ones((3, 17, 2)))], {}, r"has \[3, 17, 2\]"),
    "coordinates": ([joints(17, 4)], {}, r"has \[1, 3, 17, 4\]"),
    "no frames": ([annotation("a", frames=0)], {}, r"has \[1, 0, 17, 2\]"),
    "other frames in a later clip": ([ABC[0], annotation("b", frames=0)], {}, "clip 'b'"),
    "score": ([annotation("a", keypoint_score=np.ones((1, 3, 16)))], {}, r"keypoint_score .*\[1, 3, 17\]"),
    "texts": ([annotation("a", keypoint=np.full((1, 3, 17, 2), "x"))], {}, "numbers of the kind <U1"),
    "infinite": ([annotation("a", keypoint=np.full((1, 3, 17, 2), 1e300))], {}, "clip 'a': .*not at a finite"),
    "total": ([annotation("a", total_frames=9)], {}, "total_frames is not the 3"),
    "unknown joints": ([joints(19)], {}, "19 joints.*Give layout=NAME of coco17, .*layout=my.yaml"),
    "another layout": ([joints(25)], {"layout": "coco17"}, "25 joints, layout 'coco17' has 17.*ntu25 fits"),
    "a layout that is not there": (list(ABC), {"layout": "x.yaml"}, "x.yaml: there is no such"),
    "joints that change": ([ABC[0], joints(18) | {"frame_dir": "b"}], {}, "clip 'b'.*17 joints, 2 coordinates"),
    "split of a bare list": (list(ABC), {"split": "xsub"}, "bare list"),
    "split is a list": ({"split": [], "annotations": list(ABC)}, {}, "`split` is no dict"),
    "split of numbers": (content(*ABC, split={"train": [1]}), {}, "`split` is no dict"),
    "several splits": (content(*ABC, split=SPLIT), {}, "it has 2 splits.*split=NAME of xsub, xview"),
    "no such split": (content(*ABC, split=SPLIT), {"split": "xset"}, "no split 'xset'.*xsub, xview"),
    "no known part": (content(*ABC, split={"dev": ["a"]}), {}, "it has 0 splits"),
    "train in test": (content(*ABC, split={"train": ["a"], "test": ["a"]}), {}, "clip a is in train and in test"),
    "nothing in the split": (content(*ABC, split={"train": ["x"]}), {}, "none of its 3 clips"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_named_and_nothing_is_left(case, tmp_path):
    plain, given_, message = FAULTS[case]
    (tmp_path / "names.txt").write_text("one\ntwo\n")
    labels = {"two": tmp_path / "names.txt", "none": tmp_path / "none.txt"}
    options = Options(**given_ | ({"labels": labels[given_["labels"]]} if "labels" in given_ else {}))
    source, root = written(tmp_path, plain), tmp_path / "out"
    with pytest.raises(DataError, match=message) as caught:
        prepare(Request(format="pyskl", source=source, name="store", root=root, options=options))
    assert len(str(caught.value).splitlines()) == 1
    assert not root.exists() or not list(root.iterdir())


def test_a_folder_or_nothing_says_where_to_get_it(tmp_path):
    for source in (tmp_path, tmp_path / "nowhere.pkl"):
        with pytest.raises(DataError, match=r"no such file.*https://"):
            pyskl.read(source, Options())


def test_a_hostile_pickle_runs_nothing(tmp_path, monkeypatch):
    class Command:
        def __reduce__(self):
            return os.system, ("touch HACKED",)

    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"posix\.system"):
        read(tmp_path, content(annotation("a") | {"extra": Command()}))
    assert not (tmp_path / "HACKED").exists()


ANY_VALUE = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.binary(max_size=5),
        numpy_strategies.arrays(
            st.sampled_from(["f2", "f4", "f8", ">f4", "i8", "u1", "bool", "U3"]),
            numpy_strategies.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=18),
        ),
        st.sampled_from([np.full((2, 2, 17, 2), value) for value in (0, np.nan, np.inf, 1e300)]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(list(ABC[0])), inner)),
    max_leaves=5,
)
SMALL = content(
    *(annotation(name, persons=2, frames=2) for name in "abc"), split={"x_train": ["a", "b"], "x_val": ["c"]}
)
SEEDS = [pickle.dumps(SMALL, protocol=protocol) for protocol in (2, 4, 5)]


def test_the_seeds_of_the_fuzz_test_are_sound():
    assert all(only_clean_reads("pyskl", seed) for seed in SEEDS)


@fuzz
@given(st.data())
def test_fuzz_pyskl(data):
    seed = data.draw(st.sampled_from(SEEDS))
    persons = data.draw(st.sampled_from([None, "first", "both"]))
    only_clean_reads("pyskl", data.draw(damaged(seed)), Options(persons=persons))


@fuzz
@given(st.data())
def test_fuzz_pyskl_values(data):
    """A sound pickle with some value in it replaced by any other that a pickle of this kind may hold."""
    plain = {"split": dict(SMALL["split"]), "annotations": [dict(clip) for clip in SMALL["annotations"]]}
    for _ in range(data.draw(st.integers(1, 3))):
        places = [plain["split"], *plain["annotations"]]
        place = places[data.draw(st.integers(0, len(places) - 1))]
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(ANY_VALUE)
    only_clean_reads("pyskl", pickle.dumps(plain, protocol=data.draw(st.sampled_from([2, 4, 5]))))
