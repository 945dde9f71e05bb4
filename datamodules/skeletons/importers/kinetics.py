"""Kinetics-skeleton: OpenPose bodies in YouTube videos, up to 400 actions, as JSON files; and own clips of that form.

Paper: Yan et al., "Spatial Temporal Graph Convolutional Networks for Skeleton-Based Action Recognition", AAAI 2018; the
form is that of its code (feeder/feeder_kinetics.py and tools/utils/openpose.py in https://github.com/yysijie/st-gcn).
Source: a folder or zip file with a JSON a clip, `{"data": [{"frame_index", "skeleton": [{"pose": [x, y, ... 18 pairs],
"score": [18]}, ...]}, ...], "label", "label_index"}`, x and y as shares of the picture's sides, y down. A joint of
score 0 was not seen; scores are not kept otherwise. A clip runs from its first listed frame to its last; a frame that
is not listed has nobody in it.
Persons: the files have no track of them. As in ST-GCN each frame's are ordered by their mean score, so that the first
may be someone else from frame to frame. `persons=first` (the default here) keeps the best-scored, `both` the best two;
`most_moving` is refused, because that movement would be the detector's.
Splits: folders whose names end in `train` and `val`. There is no labelled test set, results are published on val, so
val becomes the split `test`. Where no file lies in such a folder every clip is train.
Classes: in the order of label_index, from `*train_label.json` and `*val_label.json` (id -> has_skeleton, label,
label_index) where they are there; without them every clip is read once more, for its label. Dropped and counted are
clips that such a list calls without a skeleton, and clips without a person.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from datamodules.skeletons.importers import UNLABELLED, MemberReader, Members, Options, Reading
from datamodules.skeletons.importers.labelled import unlabelled_clips, unlabelled_members
from datamodules.skeletons.importers.persons import doubled
from datamodules.skeletons.store_writer import Clip
from schemas.errors import ConfigError, DataError
from schemas.skeleton import Skeleton, load_layout

WHERE = "Kinetics-skeleton, https://github.com/yysijie/st-gcn."
OPTIONS = ("persons",)
REMEDY = f"Restore this file from a sound copy, or remove it: {WHERE}"
JOINTS = 18
BODY_FRAMES_LIMIT = 100_000
"""Persons times frames of a clip; a real one has some 300 frames and a few persons."""
_LIST = re.compile(r"(train|val)_label\.json$")
SPLIT_OF_FOLDER = {"train": "train", "val": "test"}
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its clips are read when they are asked for."""
    places = _places(options)
    members = Members(source, r"\.json$", WHERE)
    lists = [name for name in members.names if _LIST.search(name)]
    splits = _splits([name for name in members.names if name not in lists])
    with members.reader() as reader:
        listed = {clip_id: entry for name in lists for clip_id, entry in _list(reader, name).items()}
        empty = {name for name in splits if listed.get(_id(name), {}).get("has_skeleton") is False}
        files = {name: split for name, split in splits.items() if name not in empty}
        if not files:
            raise DataError("it holds no JSON of a clip", where=source, remedy=f"It can be had here: {WHERE}")
        entries = ((f"{source}, {clip_id!r}", entry) for clip_id, entry in listed.items())
        classes = _classes(entries if listed else ((reader.where(name), _json(reader, name)) for name in files))
    skipped = {
        "without a skeleton, by the list of labels": len(empty),
        "neither in a folder of train nor of val": len(members.names) - len(lists) - len(splits),
        "not .json": members.others,
    }
    left_out: Counter[str] = Counter()
    return Reading(
        layout=_layout(places),
        classes=tuple(classes.values()),
        total=len(files),
        source={
            "description": f"Kinetics-skeleton, its val as test, the best-scored {places} of each frame's persons",
            "sha256": members.sha256(),
        },
        clips=_clips(members, files, listed, classes, places, left_out),
        importer="kinetics 1",
        coordinates=2,
        skipped={why: count for why, count in skipped.items() if count},
        left_out=left_out,
    )


def read_unlabelled(source: Path, options: Options, assumed: Skeleton) -> Reading:
    """Every JSON but the lists of labels as a clip of no class; `source` may be one such file."""
    places, left_out = _places(options), Counter()
    members = unlabelled_members(source, ".json", WHERE)
    members.names = [name for name in members.names if not _LIST.search(name)]
    if not members.names:
        raise DataError("it holds no JSON of a clip", where=source, remedy=f"It can be had here: {WHERE}")

    def joints(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
        return _best_scored(_parsed(content, where), where, places, left_out)

    return Reading(
        layout=_layout(places),
        classes=(UNLABELLED,),
        total=len(members.names),
        source={
            "description": f"Kinetics-skeleton, unlabelled, the best-scored {places} of each frame's persons",
            "sha256": members.sha256(),
        },
        clips=unlabelled_clips(members, joints),
        importer="kinetics 1",
        coordinates=2,
        left_out=left_out,
    )


def _places(options: Options) -> int:
    """How many persons are kept."""
    if options.persons == "most_moving":
        what = "Kinetics-skeleton does not follow persons from frame to frame, so that none can be said to move most"
        raise ConfigError(what, where="persons", remedy="Use persons=first (the best-scored) or persons=both.")
    return 2 if options.persons == "both" else 1


def _layout(places: int) -> Skeleton:
    skeleton = load_layout("openpose18")
    return doubled(skeleton) if places == 2 else skeleton


def _id(name: str) -> str:
    return PurePosixPath(name).stem


def _splits(names: list[str]) -> dict[str, str]:
    """File -> split, of those that have one, in the order of the splits and ids."""
    of_folder = {name: re.search(r"(train|val)$", PurePosixPath(name).parent.name) for name in names}
    if not any(of_folder.values()):
        return dict.fromkeys(sorted(names, key=_id), "train")
    splits = {name: SPLIT_OF_FOLDER[match[1]] for name, match in of_folder.items() if match}
    return dict(sorted(splits.items(), key=lambda item: (item[1] == "test", _id(item[0]))))


def _json(reader: MemberReader, name: str) -> dict:
    return _parsed(reader.read(name), reader.where(name))


def _parsed(content: bytes, where: str) -> dict:
    try:
        parsed = json.loads(content)
        if not isinstance(parsed, dict):
            raise ValueError(f"a {type(parsed).__name__} where an object should be")
    except UNREADABLE as error:
        raise DataError(f"it is not JSON ({error!s:.200})", where=where, remedy=REMEDY) from error
    return parsed


def _list(reader: MemberReader, name: str) -> dict[str, dict]:
    """Clip id -> has_skeleton, label and label_index."""
    entries = _json(reader, name)
    if bad := next((clip_id for clip_id, entry in entries.items() if not isinstance(entry, dict)), None):
        raise DataError(f"entry {bad!r} is no object", where=reader.where(name), remedy=REMEDY)
    return entries


def _label(entry: dict, where: str) -> tuple[int, str]:
    index, name = entry.get("label_index"), entry.get("label")
    if type(index) is not int or index < 0 or not isinstance(name, str) or not name:
        what = f"its label_index is {index!r:.50} and its label {name!r:.50}; they must be a number from 0 and a name"
        raise DataError(what, where=where, remedy="A clip to learn from needs both.")
    return index, name


def _classes(entries: Iterable[tuple[str, dict]]) -> dict[int, str]:
    """label_index -> name, in rising order."""
    classes: dict[int, str] = {}
    for where, entry in entries:
        index, name = _label(entry, where)
        if classes.setdefault(index, name) != name:
            what = f"label_index {index} is {name!r:.50} here and {classes[index]!r:.50} before"
            raise DataError(what, where=where, remedy="Mend the labels.")
    return dict(sorted(classes.items()))


def _clips(
    members: Members,
    files: dict[str, str],
    listed: dict[str, dict],
    classes: dict[int, str],
    places: int,
    left_out: Counter[str],
) -> Iterator[Clip]:
    label_of = {index: label for label, index in enumerate(classes)}
    with members.reader() as reader:
        for name, split in files.items():
            where, clip = reader.where(name), _json(reader, name)
            index, action = _label(clip, where)
            if classes.get(index) != action or listed.get(_id(name), clip)["label_index"] != index:
                what = f"its label {index}, {action!r:.50}, is not that of the list of labels"
                raise DataError(what, where=where, remedy="Mend one of them.")
            frames, seen = _best_scored(clip, where, places, left_out)
            yield Clip(frames, label_of[index], _id(name), split, seen)


def _best_scored(clip: dict, where: str, places: int, left_out: Counter[str]) -> tuple[np.ndarray, np.ndarray]:
    """[T, places V, C] and [T, places V], which joints were seen; counts the persons who are left out."""
    joints, visible = ranked_persons(clip, where)
    if beyond := max(len(joints) - places, 0):
        left_out["left out, persons beyond the best-scored"] += beyond
        left_out["clips with a person left out"] += 1
    return _side_by_side(joints, places), _side_by_side(visible[..., None], places)[..., 0]


def _side_by_side(values: np.ndarray, places: int) -> np.ndarray:
    """[M, T, V, C] -> [T, places V, C], zero where there are fewer persons."""
    values = np.concatenate([values[:places], np.zeros_like(values, shape=(places, *values.shape[1:]))])
    return np.concatenate(values[:places], axis=1)


def ranked_persons(clip: dict, where: str) -> tuple[np.ndarray, np.ndarray]:
    """[M, T, 18, 2] positions and [M, T, 18] whether seen, each frame's persons from the best-scored down.

    A clip without a person or frame gives one of each, unseen.
    """
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    try:
        for number, frame in enumerate(clip["data"]):
            index = frame["frame_index"]
            if type(index) is not int or index < 0 or index in found:
                raise ValueError(f"entry {number} of data has the frame_index {index!r:.50}, or another has the same")
            found[index] = _persons(frame["skeleton"], index)
    except UNREADABLE as error:
        what = f"it is not a clip of Kinetics-skeleton ({type(error).__name__}: {error!s:.200})"
        raise DataError(what, where=where, remedy=REMEDY) from error
    first, last = min(found, default=0), max(found, default=0)
    frames, most = last - first + 1, max((len(poses) for poses, _ in found.values()), default=0)
    if max(most, 1) * frames > BODY_FRAMES_LIMIT:
        what = f"{most} persons in {frames:,} frames are more than a clip can have"
        raise DataError(what, where=where, remedy=REMEDY)
    joints = np.zeros((max(most, 1), frames, JOINTS, 2), dtype=np.float32)
    visible = np.zeros(joints.shape[:3], dtype=bool)
    for index, (poses, scores) in found.items():
        joints[: len(poses), index - first], visible[: len(poses), index - first] = poses, scores > 0
    return joints, visible


def _persons(persons: list[dict], frame: int) -> tuple[np.ndarray, np.ndarray]:
    """[M, 18, 2] and scores [M, 18] of one frame, best mean score first; raises ValueError where they are not that."""
    with np.errstate(over="ignore"):
        poses = np.array([person["pose"] for person in persons], dtype=np.float32)
        scores = np.array([person["score"] for person in persons], dtype=np.float32)
    if poses.shape != (len(persons), 2 * JOINTS) or scores.shape != (len(persons), JOINTS):
        if persons:
            raise ValueError(f"frame {frame} has no pose of {2 * JOINTS} and score of {JOINTS} numbers a person")
        return np.empty((0, JOINTS, 2), np.float32), np.empty((0, JOINTS), np.float32)
    poses = poses.reshape(-1, JOINTS, 2)
    if not (np.isfinite(scores).all() and np.isfinite(poses[scores > 0]).all()):
        raise ValueError(f"frame {frame} has a number that is not finite")
    order = np.argsort(-scores.mean(axis=1), kind="stable")
    return poses[order], scores[order]
