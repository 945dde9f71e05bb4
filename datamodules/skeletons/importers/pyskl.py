"""PYSKL and MMAction2 pickles of skeleton clips, 2D or 3D.

Form (tools/data/README.md and pyskl/datasets/pose_dataset.py of https://github.com/kennymckormick/pyskl): a dict of
`split`, {name: [frame_dir, ...]}, and `annotations`, or a bare list of annotations. An annotation is a dict of
`frame_dir` (or `filename`: the clip's name), `label`, `keypoint` [M, T, V, C], for 2D `keypoint_score` [M, T, V], and
`total_frames`. A joint whose score is 0, whose coordinates are all 0 or not a number was not seen.
Layout: 17 joints are coco17 (pixels, y down), 25 ntu25 (metres, y up), others need `layout=`.
Split: `NAME_train` trains. `NAME_val` tests where there is no `NAME_test`: it is what papers report. Where there are
several, `split=NAME` says which (xsub of xsub_train and xsub_val, 1 of train1 and test1, plain of train and val);
what is in no list is left out. A bare list is all for training.
Class names: a line each of the file `labels=` (as in PYSKL's tools/data/label_map), else "class 0" and so on.
Memory: the pickle's containers, 1 to 3 KB a clip, and the coordinates of one (see array_pickle.py).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.skeletons.importers import UNLABELLED, Options, Reading
from datamodules.skeletons.importers.array_pickle import read_pickle
from datamodules.skeletons.importers.classes import class_names, label_map
from datamodules.skeletons.importers.layouts import skeleton_for
from datamodules.skeletons.importers.persons import Persons
from datamodules.skeletons.importers.stored_array import StoredArray, shown
from datamodules.skeletons.store_writer import Clip
from schemas.errors import DataError
from schemas.skeleton import Skeleton
from storage import fingerprint

WHERE = (
    "PYSKL's and MMAction2's annotation files, https://github.com/kennymckormick/pyskl/blob/main/tools/data/README.md."
)
OPTIONS = ("layout", "labels", "split", "persons")
IMPLIED = {17: "coco17", 25: "ntu25"}
REMEDY = f"A sound copy, or the form to write: {WHERE}"
NAME_LIMIT = 200
_PART = re.compile(r"(.*?)_?(train|val|test)_?(.*)")


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its coordinates are read when they are asked for."""
    source = Path(source)
    annotations, lists = _contents(source)
    chosen = _chosen(source, annotations, lists, options.split)
    labels = [_label(source, name, own) for name, _, own in chosen.clips]
    classes = class_names(options.labels or source, max(labels) + 1, options.labels and label_map(options.labels))
    joints = chosen.first(source).shape[2]
    return _reading(source, options, chosen, classes, labels, skeleton_for(source, options, joints, IMPLIED))


def read_unlabelled(source: Path, options: Options, assumed: Skeleton) -> Reading:
    """As `read`, of annotations that may have no `label`; all of them, unless `split=` is given.

    Args:
        assumed: whose joints they are where neither `layout=` nor their number says it.
    """
    source = Path(source)
    annotations, lists = _contents(source, needs_split=options.split is not None)
    chosen = _chosen(source, annotations, lists, options.split)
    joints = chosen.first(source).shape[2]
    known = options.layout is not None or joints in IMPLIED or joints != assumed.num_joints
    skeleton = skeleton_for(source, options, joints, IMPLIED) if known else assumed
    return _reading(source, options, chosen, (UNLABELLED,), [0] * len(chosen.clips), skeleton)


@dataclass(frozen=True)
class Chosen:
    """The clips that are taken."""

    clips: list[tuple[str, str, dict]]
    """Name, split and annotation."""
    family: str | None
    """The split by which they were chosen; None: all of them."""
    skipped: dict[str, int]

    def first(self, source: Path) -> StoredArray:
        """The key points [M, T, V, C] of the first."""
        name, _, annotation = self.clips[0]
        return _keypoint(source, name, annotation)


def _chosen(source: Path, annotations: list[object], lists: dict[str, list[str]] | None, split: str | None) -> Chosen:
    names = _names(source, annotations)
    if lists is None:
        if split:
            raise DataError("it is a bare list without splits", where=source, remedy="Leave split= out.")
        family, part_of = None, dict.fromkeys(names, "train")
    else:
        family, part_of = _split(source, lists, split)
    clips = [(name, part_of[name], own) for name, own in zip(names, annotations, strict=True) if name in part_of]
    if not clips:
        raise DataError(f"none of its {len(names):,} clips is in split {family!r}", where=source, remedy=REMEDY)
    skipped = {
        f"in no list of split {family}": len(names) - len(clips),
        f"listed in split {family} and not there": len(part_of) - len(clips),
    }
    return Chosen(clips, family, {why: count for why, count in skipped.items() if count})


def _reading(
    source: Path, options: Options, chosen: Chosen, classes: tuple[str, ...], labels: list[int], skeleton: Skeleton
) -> Reading:
    persons, family = Persons(options.persons, skeleton), chosen.family
    return Reading(
        layout=persons.skeleton,
        classes=classes,
        total=len(chosen.clips),
        source={
            "description": f"PYSKL pickle, {f'split {family}' if family else 'without splits'}, {persons.policy}",
            "sha256": fingerprint.of_file(source),
        },
        clips=_clips(source, chosen.clips, labels, persons),
        importer="pyskl 1",
        coordinates=chosen.first(source).shape[3],
        skipped=chosen.skipped,
        left_out=persons.left_out,
    )


def _contents(source: Path, needs_split: bool = True) -> tuple[list[object], dict[str, list[str]] | None]:
    """The annotations, and the names of the clips in each list of the split, where there is one."""
    if not source.is_file():
        raise DataError("there is no such file", where=source, remedy=f"It can be had here: {WHERE}")
    content = read_pickle(source, REMEDY)
    annotations = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(annotations, list) or not annotations:
        what = "it holds neither a list of annotations nor a dict of `split` and `annotations`"
        raise DataError(what, where=source, remedy=REMEDY)
    if not isinstance(content, dict) or not needs_split:
        return annotations, None
    lists = content.get("split")
    if not isinstance(lists, dict) or not all(
        isinstance(split, str) and isinstance(names, list) and all(isinstance(name, str) for name in names)
        for split, names in lists.items()
    ):
        raise DataError("its `split` is no dict of lists of clip names", where=source, remedy=REMEDY)
    return annotations, lists


def _names(source: Path, annotations: list[object]) -> list[str]:
    """Each clip's name; they are unique, which a store's ids must be."""
    seen: dict[str, None] = {}
    for number, own in enumerate(annotations):
        name = own.get("filename", own.get("frame_dir")) if isinstance(own, dict) else None
        if not isinstance(name, str) or not 0 < len(name) <= NAME_LIMIT or not name.isprintable() or name in seen:
            what = f"it has no frame_dir of 1 to {NAME_LIMIT} printable characters, or that of another clip"
            raise DataError(what, where=f"{source}, annotation {number}", remedy=REMEDY)
        seen[name] = None
    return list(seen)


def _split(source: Path, lists: dict[str, list[str]], wanted: str | None) -> tuple[str, dict[str, str]]:
    """The split that is taken, by its name without the part, and which part each of its clips is in."""
    families: dict[str, dict[str, str]] = {}
    for name in lists:
        if found := _PART.fullmatch(name):
            families.setdefault(found[1] + found[3] or "plain", {})[found[2]] = name
    family = next(iter(families)) if wanted is None and len(families) == 1 else wanted
    if family not in families:
        what = f"it has {len(families)} splits" if wanted is None else f"it has no split {wanted!r}"
        remedy = f"Give split=NAME of {', '.join(map(shown, families))}." if families else REMEDY
        raise DataError(
            f"{what}, a split being lists called NAME_train, NAME_val, NAME_test", where=source, remedy=remedy
        )
    parts = families[family]
    if "test" not in parts and "val" in parts:
        parts["test"] = parts.pop("val")
    part_of: dict[str, str] = {}
    for part, name in parts.items():
        for clip in lists[name]:
            if part_of.setdefault(clip, part) != part:
                what = f"the clip {shown(clip)} is in {part_of[clip]} and in {part}"
                raise DataError(what, where=f"{source}, split {shown(family)}", remedy=REMEDY)
    return family, part_of


def _label(source: Path, name: str, annotation: dict) -> int:
    label = annotation.get("label")
    if type(label) is not int or not 0 <= label < 2**31:
        what = "its label is no whole number of 0 or more"
        raise DataError(what, where=f"{source}, clip {name!r}", remedy="Give each annotation one label, from 0.")
    return label


def _keypoint(source: Path, name: str, annotation: dict) -> StoredArray:
    keypoint = annotation.get("keypoint")
    shape = keypoint.shape if isinstance(keypoint, StoredArray) else ()
    if len(shape) != 4 or 0 in shape or shape[3] not in (2, 3):
        apart = " (PYSKL's Kinetics files keep theirs apart)" if "raw_file" in annotation else ""
        what = f"it needs a keypoint array [persons, frames, joints, 2 or 3], it has {list(shape) or 'none'}{apart}"
        raise DataError(what, where=f"{source}, clip {name!r}", remedy=REMEDY)
    return keypoint


def _clips(source: Path, clips: list[tuple[str, str, dict]], labels: list[int], persons: Persons) -> Iterator[Clip]:
    for (name, part, annotation), label in zip(clips, labels, strict=True):
        where = f"{source}, clip {name!r}"
        keypoint = _floats(_keypoint(source, name, annotation), where)
        visible = (keypoint != 0).any(axis=-1) & ~np.isnan(keypoint).any(axis=-1)
        if (score := annotation.get("keypoint_score")) is not None:
            if not isinstance(score, StoredArray) or score.shape != keypoint.shape[:3]:
                what = f"keypoint_score is no array of the shape {list(keypoint.shape[:3])}"
                raise DataError(what, where=where, remedy=REMEDY)
            visible &= _floats(score, where) > 0
        if not np.isfinite(keypoint[visible]).all():
            raise DataError("a joint that was seen is not at a finite place", where=where, remedy=REMEDY)
        if annotation.get("total_frames", keypoint.shape[1]) != keypoint.shape[1]:
            what = f"total_frames is not the {keypoint.shape[1]} of its keypoints"
            raise DataError(what, where=where, remedy=REMEDY)
        frames, seen = persons.choose(keypoint, visible)
        yield Clip(frames=frames, visible=seen, label=label, id=name, split=part)


def _floats(stored: StoredArray, where: str) -> np.ndarray:
    """float32, as a store holds it; half precision becomes it exactly."""
    if stored.dtype.kind not in "fiu":
        raise DataError(f"it holds numbers of the kind {stored.dtype}", where=where, remedy=REMEDY)
    try:
        with np.errstate(over="ignore"):
            return stored.load().astype(np.float32)
    except ValueError as error:
        raise DataError(f"an array of it is damaged ({shown(str(error))})", where=where, remedy=REMEDY) from error
