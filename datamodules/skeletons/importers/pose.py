"""`.pose` files of the pose-format project: a folder of them, one a clip, and a CSV file of labels.

Form (docs/specs/v0.1.md and v0.2.md of https://github.com/sign-language-processing/pose), little-endian: a header that
names components of points and their dimensions (`XYC`, `XYZC`, C being the confidence), then coordinates and
confidences as float32, frame by frame. A point of confidence 0, or NaN in a coordinate, was not seen; confidences are
not kept otherwise. Coordinates are pixels, y down. The package pose-format is not needed. Source: a folder or zip file.
Layout: of MediaPipe Holistic the body and the two hands are taken, as pose_hands75; its face and its world landmarks
are left out, and counted. Of other components all points are taken and `layout=` says which joints they are.
Labels: a CSV, see labelled.py. Several persons: see persons.py.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.skeletons.importers import UNLABELLED, MemberReader, Options, Reading
from datamodules.skeletons.importers.labelled import listed_clips, read_listing, unlabelled_clips, unlabelled_members
from datamodules.skeletons.importers.layouts import skeleton_for, skeleton_or
from datamodules.skeletons.importers.persons import BOTH, Persons
from schemas.errors import DataError
from schemas.skeleton import Skeleton

WHERE = "the pose-format project, https://github.com/sign-language-processing/pose."
OPTIONS = ("layout", "labels", "persons")
REMEDY = f"Write this file again with pose-format 0.1 or newer, or remove it and its row of the labels: {WHERE}"
HOLISTIC = {"POSE_LANDMARKS": 33, "LEFT_HAND_LANDMARKS": 21, "RIGHT_HAND_LANDMARKS": 21}
"""Components -> points, in the order of pose_hands75."""
IMPLIED = {75: "pose_hands75"}
POINTS_LIMIT = 5_000


@dataclass(frozen=True)
class Pose:
    """What a file holds. Legend: T frames, M persons, P points of all components, C coordinates."""

    components: dict[str, int]
    """Name -> number of points, in the order of the points."""
    points: np.ndarray
    """[T, M, P, C] float32."""
    confidence: np.ndarray
    """[T, M, P] float32."""


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its clips are read when they are asked for."""
    listing = read_listing(source, options, ".pose", WHERE)
    with listing.members.reader() as reader:
        joints, coordinates = _shape(reader, listing.entries[0].file, options)
    persons = Persons(options.persons, skeleton_for(source, options, joints, IMPLIED))
    return Reading(
        layout=persons.skeleton,
        classes=listing.classes,
        total=len(listing.entries),
        source={"description": f".pose files, {listing.table}, {persons.policy}", "sha256": listing.sha256},
        clips=listed_clips(listing, _loader(persons, options, (joints, coordinates))),
        importer="pose 1",
        coordinates=coordinates,
        skipped=listing.skipped,
        left_out=persons.left_out,
    )


def read_unlabelled(source: Path, options: Options, assumed: Skeleton) -> Reading:
    """Every .pose file as a clip of no class, whatever a table says; `source` may be one such file.

    Args:
        assumed: whose joints they are where `layout=` is not given and the number fits.
    """
    members = unlabelled_members(source, ".pose", WHERE)
    with members.reader() as reader:
        joints, coordinates = _shape(reader, members.names[0], options)
    if options.persons == BOTH:  # the run's own layout is then of two persons, and says nothing of one
        skeleton = skeleton_for(source, options, joints, IMPLIED)
    else:
        skeleton = skeleton_or(assumed, source, options, joints)
    persons = Persons(options.persons, skeleton)
    return Reading(
        layout=persons.skeleton,
        classes=(UNLABELLED,),
        total=len(members.names),
        source={"description": f".pose files, unlabelled, {persons.policy}", "sha256": members.sha256()},
        clips=unlabelled_clips(members, _loader(persons, options, (joints, coordinates))),
        importer="pose 1",
        coordinates=coordinates,
        left_out=persons.left_out,
    )


def _shape(reader: MemberReader, name: str, options: Options) -> tuple[int, int]:
    pose = read_pose(reader.read(name), reader.where(name))
    return len(_taken(pose, options)), pose.points.shape[-1]


def _taken(pose: Pose, options: Options) -> np.ndarray:
    """[V] which points are the clip's joints."""
    starts = dict(zip(pose.components, np.cumsum([0, *pose.components.values()]), strict=False))
    if options.layout in (None, "pose_hands75") and HOLISTIC.items() <= pose.components.items():
        return np.concatenate([starts[name] + np.arange(count) for name, count in HOLISTIC.items()])
    return np.arange(sum(pose.components.values()))


def _loader(
    persons: Persons, options: Options, shape_VC: tuple[int, int]
) -> Callable[[bytes, str], tuple[np.ndarray, np.ndarray]]:
    """From a file's bytes to frames [T, V, C] and which joints were seen [T, V]."""

    def load(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
        pose = read_pose(content, where)
        taken = _taken(pose, options)
        joints = pose.points[:, :, taken].transpose(1, 0, 2, 3)
        if joints.shape[2:] != shape_VC:
            what = f"its points are {list(joints.shape[2:])}, those of the first clip {list(shape_VC)}"
            raise DataError(what, where=where, remedy=REMEDY)
        visible = (pose.confidence[:, :, taken].transpose(1, 0, 2) > 0) & ~np.isnan(joints).any(axis=-1)
        if np.isinf(joints[visible]).any():
            raise DataError("it holds a number that is infinite", where=where, remedy=REMEDY)
        if len(taken) < sum(pose.components.values()):
            others = ", ".join(name for name in pose.components if name not in HOLISTIC)
            persons.left_out[f"clips whose {others} are left out"] += 1
        return persons.choose(joints, visible)

    return load


def read_pose(content: bytes, where: str) -> Pose:
    """The contents of a file of version 0.1 or 0.2; raises DataError where it is none."""
    try:
        return _parsed(content)
    except (ValueError, struct.error) as error:
        what = f"it is no .pose file of version 0.1 or 0.2, or is damaged ({ascii(str(error))[1:-1][:150]})"
        raise DataError(what, where=where, remedy=REMEDY) from error


def _parsed(content: bytes) -> Pose:
    place = 0

    def take(form: str) -> tuple:
        nonlocal place
        values = struct.unpack_from(form, content, place)
        place += struct.calcsize(form)
        return values

    def text() -> str:
        nonlocal place
        (length,) = take("<H")
        place += length
        if place > len(content):
            raise ValueError("a text is cut short")
        return content[place - length : place].decode()

    version, *_, count = take("<f4H")
    components: dict[str, int] = {}
    dimensions = total = 0
    for _ in range(count):
        name, form = text(), text()
        points, limbs, colours = take("<3H")
        if not points or (total := total + points) > POINTS_LIMIT:
            raise ValueError(f"it has a component without points, or more than {POINTS_LIMIT:,} points")
        for _ in range(points):
            text()
        take(f"<{2 * limbs + 3 * colours}H")
        if name in components or not form.endswith("C") or not re.fullmatch(r"[ -~]{1,100}", name):
            raise ValueError(f"component {name[:40]!r} stands twice, or has no plain name or the form {form[:10]!r}")
        components[name], dimensions = points, max(dimensions, len(form) - 1)
    if round(version, 3) not in (0.1, 0.2) or dimensions not in (2, 3) or not total:
        raise ValueError(f"version {version:.3g}, {total:,} points of {dimensions} dimensions")
    if round(version, 3) == 0.1:  # whose number of frames has 16 bits, too few for long ones: their bytes count
        *_, people = take("<3H")
        frames = (len(content) - place) // max(people * total * (dimensions + 1) * 4, 1)
    else:
        _, frames, people = take("<fIH")
    size = frames * people * total
    if not size or len(content) - place != size * (dimensions + 1) * 4:
        raise ValueError(f"{len(content) - place:,} bytes for {frames:,} frames of {people:,} persons")
    points = np.frombuffer(content, "<f4", size * dimensions, place).reshape(frames, people, total, dimensions)
    confidence = np.frombuffer(content, "<f4", size, place + size * dimensions * 4).reshape(frames, people, total)
    return Pose(components, points, confidence)
