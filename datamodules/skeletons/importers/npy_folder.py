"""Clips of one's own: a folder of NumPy files, one a clip, and a CSV file of labels. Landmarks by MediaPipe come so.

Form of the arrays: numpy/lib/format.py (versions 1 and 2), read without pickle, and not before the header's shape
agrees with the file's size. Source: a folder or zip file of `.npy`, [T, V, C] whole or floating numbers with C of 2 or
3, the same C in each. A joint that is NaN in a coordinate was not seen, as in a .npz file, in `load_run(...).predict`
and in an exported model; zeros are coordinates like others. Where a program writes zeros for a joint that it lost, put
NaN in their place before numpy.save: `clip[(clip == 0).all(axis=-1)] = numpy.nan`. Values of more than 32 bits are
rounded to float32.
Labels: a CSV, see labelled.py.
The layout is `layout=`, or the shipped one that alone has V joints.
"""

import io
import math
from functools import partial
from pathlib import Path

import numpy as np

from datamodules.skeletons.importers import UNLABELLED, Options, Reading
from datamodules.skeletons.importers.labelled import listed_clips, read_listing, unlabelled_clips, unlabelled_members
from datamodules.skeletons.importers.layouts import shipped_by_joints, skeleton_for, skeleton_or
from datamodules.skeletons.importers.npz_arrays import read_header
from schemas.errors import DataError
from schemas.skeleton import Skeleton

WHERE = "clips of your own, e.g. landmarks of videos by MediaPipe, https://ai.google.dev/edge/mediapipe."
OPTIONS = ("layout", "labels")
REMEDY = "Write the file again with numpy.save as [frames, joints, coordinates], or remove its row of the labels."


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its clips are read when they are asked for."""
    listing = read_listing(source, options, ".npy", WHERE)
    with listing.members.reader() as reader:
        first = listing.entries[0].file
        joints, coordinates = read_array(reader.read(first), reader.where(first)).shape[1:]
    return Reading(
        layout=skeleton_for(source, options, joints, shipped_by_joints()),
        classes=listing.classes,
        total=len(listing.entries),
        source={"description": f"a folder of .npy files, {listing.table}", "sha256": listing.sha256},
        clips=listed_clips(listing, partial(_joints, shape_VC=(joints, coordinates))),
        importer="npy_folder 2",
        coordinates=coordinates,
        skipped=listing.skipped,
    )


def read_unlabelled(source: Path, options: Options, assumed: Skeleton) -> Reading:
    """Every .npy file as a clip of no class, whatever a table says; `source` may be one such file.

    Args:
        assumed: whose joints they are where `layout=` is not given and the number fits.
    """
    members = unlabelled_members(source, ".npy", WHERE)
    with members.reader() as reader:
        joints, coordinates = read_array(reader.read(members.names[0]), reader.where(members.names[0])).shape[1:]
    return Reading(
        layout=skeleton_or(assumed, source, options, joints),
        classes=(UNLABELLED,),
        total=len(members.names),
        source={"description": "a folder of .npy files, unlabelled", "sha256": members.sha256()},
        clips=unlabelled_clips(members, partial(_joints, shape_VC=(joints, coordinates))),
        importer="npy_folder 2",
        coordinates=coordinates,
    )


def _joints(content: bytes, where: str, shape_VC: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """[T, V, C] float32 and [T, V], which of them were seen."""
    frames = read_array(content, where)
    if frames.shape[1:] != shape_VC:
        what = f"its shape is {list(frames.shape)}, that of the first clip {['T', *shape_VC]}"
        raise DataError(what, where=where, remedy=REMEDY)
    visible = ~np.isnan(frames).any(axis=-1)
    if np.isinf(frames[visible]).any():
        raise DataError("it holds a number that is infinite as float32", where=where, remedy=REMEDY)
    return frames, visible


def read_array(content: bytes, where: str) -> np.ndarray:
    """[T, V, C] float32 of a .npy file's bytes, NaN as it stands there; raises DataError where it is none."""
    try:
        file = io.BytesIO(content)
        dtype, shape, is_fortran = read_header(file)
        if dtype.kind not in "fiu" or len(shape) != 3 or min(shape) < 1 or shape[2] not in (2, 3):
            raise ValueError(f"{dtype} of shape {list(shape)}, it must be numbers [T, V, C] with C of 2 or 3")
        # A header may claim any shape: it must be that of the bytes which are there.
        if len(content) - file.tell() != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{len(content) - file.tell():,} bytes for the shape {list(shape)} of {dtype}")
        values = np.frombuffer(content, dtype, offset=file.tell()).reshape(shape, order="F" if is_fortran else "C")
    except ValueError as error:
        raise DataError(f"not an array of joints: {error!s:.200}", where=where, remedy=REMEDY) from error
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
