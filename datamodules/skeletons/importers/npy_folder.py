"""Clips of one's own: a folder of NumPy files, one a clip, and a CSV file of labels. Landmarks by MediaPipe come so.

Form of the arrays: numpy/lib/format.py (versions 1 and 2), read without pickle, and not before the header's shape
agrees with the file's size. Source: a folder or zip file of `.npy`, [T, V, C] whole or floating numbers with C of 2 or
3, the same C in each. A joint that is NaN in a coordinate was not seen, as in a .npz file, in `load_run(...).predict`
and in an exported model; zeros are coordinates like others. Where a program writes zeros for a joint that it lost, put
NaN in their place before numpy.save: `clip[(clip == 0).all(axis=-1)] = numpy.nan`. Values of more than 32 bits are
rounded to float32.
Labels: `labels=FILE.csv`, or `labels.csv` in the source, with the columns `file` (or `id`, which means the same; the
ending .npy may be left out), `label`, optionally `split` (train, val, test; without it every clip is train), and any
others, which become groups (subject, signer, camera ...). Classes stand in the order of their numbers where all labels
are whole numbers, else in that of the alphabet. Files that the table does not list are left out and counted.
The layout is `layout=`, or the shipped one that alone has V joints.
"""

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from datamodules.skeletons.importers import MEMBER_LIMIT, UNLABELLED, MemberReader, Members, Options, Reading
from datamodules.skeletons.importers.layouts import shipped_by_joints, skeleton_for, skeleton_or
from datamodules.skeletons.importers.npz_arrays import read_header
from datamodules.skeletons.importers.tables import Row, class_order, read_table
from datamodules.skeletons.store_writer import SPLITS, Clip
from schemas.errors import ConfigError, DataError
from schemas.skeleton import Skeleton
from storage import fingerprint

WHERE = "clips of your own, e.g. landmarks of videos by MediaPipe, https://ai.google.dev/edge/mediapipe."
OPTIONS = ("layout", "labels")
TABLE = "labels.csv"
REMEDY = "Write the file again with numpy.save as [frames, joints, coordinates], or remove its row of the labels."
FORM = "The columns are file, label, optionally split (train, val or test), and groups such as subject."


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its clips are read when they are asked for."""
    members = Members(source, r"\.npy$" if options.labels else rf"\.npy$|(^|/){re.escape(TABLE)}$", WHERE)
    files = [name for name in members.names if name.endswith(".npy")]
    if not files:
        raise DataError("it holds no .npy file", where=source, remedy=REMEDY)
    with members.reader() as reader:
        table = _table(reader, options.labels, members)
        entries = _entries(table, files)
        joints, coordinates = read_array(reader.read(entries[0].file), reader.where(entries[0].file)).shape[1:]
        skeleton = skeleton_for(source, options, joints, shipped_by_joints())
    classes = class_order(entry.label for entry in entries)
    sha256 = members.sha256()
    if options.labels:
        sha256 = fingerprint.of_json([sha256, fingerprint.of_file(options.labels)])
    unlisted = len(files) - len(entries)
    return Reading(
        layout=skeleton,
        classes=classes,
        total=len(entries),
        source={"description": f"a folder of .npy files, {(options.labels or Path(TABLE)).name}", "sha256": sha256},
        clips=_clips(members, entries, classes, (joints, coordinates)),
        importer="npy_folder 2",
        coordinates=coordinates,
        skipped={"not listed in the labels": unlisted} if unlisted else {},
    )


def _table(reader: MemberReader, labels: Path | None, members: Members) -> list[Row]:
    """The rows of the labels."""
    if labels is None:
        found = [name for name in members.names if PurePosixPath(name).name == TABLE]
        if len(found) != 1:
            what = f"no labels=FILE.csv is given, and the source holds {len(found)} files called {TABLE}"
            raise ConfigError(what, where="labels", remedy=FORM)
        content, where = reader.read(found[0]), reader.where(found[0])
    elif not labels.is_file() or labels.stat().st_size > MEMBER_LIMIT:
        raise DataError("there is no such file, or it is absurdly large", where=labels, remedy=FORM)
    else:
        content, where = labels.read_bytes(), str(labels)
    rows = read_table(content, where, ("label",), FORM)
    columns = rows[0].cells
    if ("file" in columns) == ("id" in columns):
        what = f"of the columns `file` and `id` there must be one; its columns are {', '.join(map(repr, columns))}"
        raise DataError(what, where=where, remedy=FORM)
    if bad := [column for column in columns if not re.fullmatch(r"\w{1,60}", column)]:
        raise DataError(f"column names must be letters, digits and _; {bad[0]!r} is not", where=where, remedy=FORM)
    return rows


@dataclass(frozen=True)
class Entry:
    """A row of the labels and the file that it is about."""

    file: str
    id: str
    label: str
    split: str
    groups: dict[str, str]


def _entries(rows: list[Row], files: list[str]) -> list[Entry]:
    """One entry a row, in the order of the clips' ids."""
    by_id = _by_id(files)
    # A row may name its file from the source's top or from the folder that holds them all.
    by_path = by_id | {name.removesuffix(".npy"): name for name in files}
    id_of = {name: clip_id for clip_id, name in by_id.items()}
    entries, seen = [], set()
    for row in rows:
        groups = dict(row.cells)
        named = groups.pop("file", None) or groups.pop("id", "")
        label, split = groups.pop("label"), groups.pop("split", SPLITS[0])
        file = by_path.get(named.removesuffix(".npy"))
        if file is None or file in seen:
            what = f"{named!r} is listed twice" if file else f"there is no file {named.removesuffix('.npy')!r}.npy"
            raise DataError(what, where=row.where, remedy="Mend or remove this row.")
        if split not in SPLITS:
            raise DataError(f"split {split!r} is none of {', '.join(SPLITS)}", where=row.where, remedy=FORM)
        if empty := [group for group, value in groups.items() if not value]:
            remedy = "Fill it in: a group keeps what belongs together in one split. Or remove the column."
            raise DataError(f"it has no {empty[0]}", where=row.where, remedy=remedy)
        seen.add(file)
        entries.append(Entry(file, id_of[file], label, split, groups))
    return sorted(entries, key=lambda entry: entry.id)


def _by_id(files: list[str]) -> dict[str, str]:
    """Clip id -> file; an id is the path below the folder that holds them all, without its ending."""
    folders = {PurePosixPath(name).parent for name in files}
    shared = next(p for p in (PurePosixPath(files[0]).parent, *PurePosixPath(files[0]).parents) if _holds(p, folders))
    return {PurePosixPath(name).relative_to(shared).with_suffix("").as_posix(): name for name in files}


def _holds(folder: PurePosixPath, folders: set[PurePosixPath]) -> bool:
    return all(other.is_relative_to(folder) for other in folders)


def _clips(
    members: Members, entries: list[Entry], classes: tuple[str, ...], shape_VC: tuple[int, int]
) -> Iterator[Clip]:
    label_of = {name: label for label, name in enumerate(classes)}
    with members.reader() as reader:
        for entry in entries:
            where = reader.where(entry.file)
            frames, visible = _joints(reader.read(entry.file), where, shape_VC)
            yield Clip(frames, label_of[entry.label], entry.id, entry.split, visible, groups=entry.groups)


def read_unlabelled(source: Path, options: Options, assumed: Skeleton) -> Reading:
    """Every .npy file as a clip of no class, whatever a table says; `source` may be one such file.

    Args:
        assumed: whose joints they are where `layout=` is not given and the number fits.
    """
    single = source.is_file() and source.suffix.lower() == ".npy"
    pattern = rf"^{re.escape(source.name)}$" if single else r"\.npy$"
    members = Members(source.parent, pattern, WHERE, only=source.name) if single else Members(source, pattern, WHERE)
    by_id = _by_id(members.names)
    with members.reader() as reader:
        joints, coordinates = read_array(reader.read(members.names[0]), reader.where(members.names[0])).shape[1:]
    return Reading(
        layout=skeleton_or(assumed, source, options, joints),
        classes=(UNLABELLED,),
        total=len(by_id),
        source={"description": "a folder of .npy files, unlabelled", "sha256": members.sha256()},
        clips=_unlabelled(members, by_id, (joints, coordinates)),
        importer="npy_folder 2",
        coordinates=coordinates,
    )


def _unlabelled(members: Members, by_id: dict[str, str], shape_VC: tuple[int, int]) -> Iterator[Clip]:
    with members.reader() as reader:
        for clip_id, file in sorted(by_id.items()):
            frames, visible = _joints(reader.read(file), reader.where(file), shape_VC)
            yield Clip(frames, 0, clip_id, visible=visible)


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
