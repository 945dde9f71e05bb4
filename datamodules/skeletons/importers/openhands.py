"""OpenHands poses: a folder of pickles, one a sign, of MediaPipe Holistic's landmarks, and a CSV file of labels.

Form (openhands/datasets/pipelines/generate_pose.py and isolated/base.py of https://github.com/AI4Bharat/OpenHands): a
dict of `keypoints` [T, V, C], C of 2 or 3, and `confidences` [T, V]. Its generator writes 75 joints, 33 of the body and
21 a hand, the layout pose_hands75; other numbers need `layout=`. A joint of confidence 0, or NaN in a coordinate, was
not seen; confidences are not kept otherwise, nor are other entries of the dict. Numbers are rounded to float32.
Source: a folder or zip file of `.pkl`. No pickle is run: see array_pickle.py.
Labels: a CSV, see labelled.py; OpenHands itself keeps them in the form of each data set.
"""

from functools import partial
from pathlib import Path

import numpy as np

from datamodules.skeletons.importers import UNLABELLED, MemberReader, Options, Reading
from datamodules.skeletons.importers.array_pickle import read_pickle_bytes
from datamodules.skeletons.importers.labelled import listed_clips, read_listing, unlabelled_clips, unlabelled_members
from datamodules.skeletons.importers.layouts import skeleton_for, skeleton_or
from datamodules.skeletons.importers.stored_array import StoredArray, shown
from schemas.errors import DataError
from schemas.skeleton import Skeleton

WHERE = "OpenHands' poses, https://openhands.readthedocs.io/en/latest/instructions/datasets.html."
OPTIONS = ("layout", "labels")
IMPLIED = {75: "pose_hands75"}
REMEDY = f"Restore this file from a sound copy, or remove it and its row of the labels: {WHERE}"


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its clips are read when they are asked for."""
    listing = read_listing(source, options, ".pkl", WHERE)
    with listing.members.reader() as reader:
        joints, coordinates = _shape(reader, listing.entries[0].file)
    return Reading(
        layout=skeleton_for(source, options, joints, IMPLIED),
        classes=listing.classes,
        total=len(listing.entries),
        source={"description": f"OpenHands' pickles, {listing.table}", "sha256": listing.sha256},
        clips=listed_clips(listing, partial(_joints, shape_VC=(joints, coordinates))),
        importer="openhands 1",
        coordinates=coordinates,
        skipped=listing.skipped,
    )


def read_unlabelled(source: Path, options: Options, assumed: Skeleton) -> Reading:
    """Every .pkl file as a clip of no class, whatever a table says; `source` may be one such file.

    Args:
        assumed: whose joints they are where `layout=` is not given and the number fits.
    """
    members = unlabelled_members(source, ".pkl", WHERE)
    with members.reader() as reader:
        joints, coordinates = _shape(reader, members.names[0])
    return Reading(
        layout=skeleton_or(assumed, source, options, joints),
        classes=(UNLABELLED,),
        total=len(members.names),
        source={"description": "OpenHands' pickles, unlabelled", "sha256": members.sha256()},
        clips=unlabelled_clips(members, partial(_joints, shape_VC=(joints, coordinates))),
        importer="openhands 1",
        coordinates=coordinates,
    )


def _shape(reader: MemberReader, name: str) -> tuple[int, int]:
    return _arrays(reader.read(name), reader.where(name))[0].shape[1:]


def _joints(content: bytes, where: str, shape_VC: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """[T, V, C] float32 and [T, V], which of them were seen."""
    frames, confidences = _arrays(content, where)
    if frames.shape[1:] != shape_VC:
        what = f"its keypoints are {list(frames.shape)}, those of the first clip {['T', *shape_VC]}"
        raise DataError(what, where=where, remedy=REMEDY)
    visible = (confidences > 0) & ~np.isnan(frames).any(axis=-1)
    if np.isinf(frames[visible]).any():
        raise DataError("it holds a number that is infinite as float32", where=where, remedy=REMEDY)
    return frames, visible


def _arrays(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """keypoints [T, V, C] and confidences [T, V], float32."""
    plain = read_pickle_bytes(content, where, REMEDY)
    keypoints, confidences = (
        _array(plain.get(name), name, where) if isinstance(plain, dict) else None
        for name in ("keypoints", "confidences")
    )
    if keypoints is None or confidences is None:
        raise DataError("it is no dict of keypoints and confidences", where=where, remedy=REMEDY)
    shape = keypoints.shape
    if len(shape) != 3 or 0 in shape or shape[2] not in (2, 3) or confidences.shape != shape[:2]:
        found = f"keypoints {list(shape)} and confidences {list(confidences.shape)}"
        what = f"{found} are not [T, V, 2 or 3] and [T, V] of 1 or more"
        raise DataError(what, where=where, remedy=REMEDY)
    return keypoints, confidences


def _array(stored: object, name: str, where: str) -> np.ndarray | None:
    if not isinstance(stored, StoredArray):
        return None
    if stored.dtype.kind not in "fiu":
        raise DataError(f"its {name} are of the kind {stored.dtype}", where=where, remedy=REMEDY)
    try:
        with np.errstate(over="ignore"):
            return stored.load().astype(np.float32)
    except ValueError as error:
        what = f"its {name} are damaged ({shown(str(error))})"
        raise DataError(what, where=where, remedy=REMEDY) from error
