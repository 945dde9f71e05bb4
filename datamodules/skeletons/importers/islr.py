"""Google Isolated Sign Language Recognition (ASL Signs, Kaggle 2023): MediaPipe Holistic of 250 signs by 21 signers.

Source: a folder or zip file as https://www.kaggle.com/competitions/asl-signs gives it, with
- `train.csv`: path, participant_id, sequence_id, sign;
- a parquet file a clip with the columns frame, row_id, type, landmark_index, x, y, z: 543 rows a frame, face 468, left
  hand 21, pose 33, right hand 21, each in the order of its landmarks; NaN where a part was not detected;
- optionally `sign_to_prediction_index_map.json`, sign -> label; without it the signs stand in the alphabet's order.
That is the order on which the competition's own loader rests, which only reshapes x, y and z; here it is checked.
Of a frame the pose and the hands are kept, as layout pose_hands75; the face's 468 landmarks are left out. Coordinates
are image units, y down; z is the model's guess. Frames stand one after the other as in the file, where a number may be
missing between them.
Split: none is public, so every clip is train; groups: signer. A parquet file is read whole, one clip at a time.
"""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datamodules.skeletons.importers import UNLABELLED, MemberReader, Members, Options, Reading
from datamodules.skeletons.importers.labelled import unlabelled_clips, unlabelled_members
from datamodules.skeletons.importers.tables import Row, class_order, read_table
from datamodules.skeletons.store_writer import Clip
from schemas.errors import DataError
from schemas.skeleton import Skeleton

WHERE = "Google Isolated Sign Language Recognition, https://www.kaggle.com/competitions/asl-signs."
OPTIONS = ()
REMEDY = f"Restore this file from a sound copy: {WHERE}"
COLUMNS = ("path", "participant_id", "sequence_id", "sign")
LANDMARK_COLUMNS = ["frame", "type", "landmark_index", "x", "y", "z"]
PARTS = {"face": 468, "left_hand": 21, "pose": 33, "right_hand": 21}
ROWS = sum(PARTS.values())
KEPT = np.r_[489:522, 468:489, 522:543]
"""Rows of a frame in the order of pose_hands75: pose, left hand, right hand."""
ROW_PART = np.repeat(np.arange(len(PARTS)), list(PARTS.values()))
ROW_LANDMARK = np.concatenate([np.arange(count) for count in PARTS.values()])
FRAMES_LIMIT = 20_000
"""Far beyond any sign; a packed column of equal values may claim any number."""


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its clips are read when they are asked for."""
    members = Members(source, r"(^|/)(train\.csv|sign_to_prediction_index_map\.json|[^/]+\.parquet)$", WHERE)
    tables = [name for name in members.names if PurePosixPath(name).name == "train.csv"]
    if len(tables) != 1:
        what = f"there must be one train.csv, there are {len(tables)}"
        raise DataError(what, where=source, remedy=f"It can be had here: {WHERE}")
    folder = PurePosixPath(tables[0]).parent
    with members.reader() as reader:
        rows = read_table(reader.read(tables[0]), reader.where(tables[0]), COLUMNS, REMEDY)
        signs = _signs(reader, (folder / "sign_to_prediction_index_map.json").as_posix(), members, rows)
    listed = {row.where: (folder / row.cells["path"]).as_posix() for row in rows}
    unlisted = sum(name.endswith(".parquet") for name in set(members.names) - set(listed.values()))
    return Reading(
        layout="pose_hands75",
        classes=signs,
        total=len(rows),
        source={"description": "Google ISLR, pose and hands without the face, no split", "sha256": members.sha256()},
        clips=_clips(members, rows, listed, signs),
        importer="islr 1",
        skipped={"not listed in train.csv": unlisted} if unlisted else {},
    )


def read_unlabelled(source: Path, options: Options, assumed: Skeleton) -> Reading:
    """Every .parquet file as a clip of no class, whatever a train.csv says; `source` may be one such file."""
    members = unlabelled_members(source, ".parquet", WHERE)
    return Reading(
        layout="pose_hands75",
        classes=(UNLABELLED,),
        total=len(members.names),
        source={"description": "Google ISLR, pose and hands without the face, unlabelled", "sha256": members.sha256()},
        clips=unlabelled_clips(members, _joints),
        importer="islr 1",
    )


def _signs(reader: MemberReader, name: str, members: Members, rows: list[Row]) -> tuple[str, ...]:
    """The signs in label order."""
    if name not in members.names:
        return class_order(row.cells["sign"] for row in rows)
    try:
        signs = sorted(json.loads(reader.read(name)).items(), key=lambda item: item[1])
        if [label for _, label in signs] != list(range(len(signs))) or not signs:
            raise ValueError("its labels do not run from 0 without a gap")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        what = f"it is not JSON of the form sign: label ({error!s:.200})"
        raise DataError(what, where=reader.where(name), remedy=REMEDY) from error
    return tuple(sign for sign, _ in signs)


def _clips(members: Members, rows: list[Row], listed: dict[str, str], signs: tuple[str, ...]) -> Iterator[Clip]:
    label_of = {sign: label for label, sign in enumerate(signs)}
    with members.reader() as reader:
        for row in rows:
            name, sign, signer = listed[row.where], row.cells["sign"], row.cells["participant_id"]
            if name not in members.names or sign not in label_of:
                what = f"sign {sign!r} has no label" if name in members.names else f"there is no file {name!r}"
                raise DataError(what, where=row.where, remedy=REMEDY)
            frames, visible = _joints(reader.read(name), reader.where(name))
            yield Clip(
                frames=frames,
                visible=visible,
                label=label_of[sign],
                id=f"{signer}_{row.cells['sequence_id']}",
                groups={"signer": signer},
            )


def _joints(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    """[T, 75, 3], NaN where a landmark was not detected, and [T, 75], which were."""
    try:
        table = _table(content)
        parts = pc.index_in(table["type"], value_set=pa.array(list(PARTS))).to_numpy()
        frame, landmark = (table[name].to_numpy().reshape(-1, ROWS) for name in ("frame", "landmark_index"))
        with np.errstate(over="ignore"):
            xyz = np.stack([table[axis].to_numpy().astype(np.float32) for axis in "xyz"], axis=-1)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, MemoryError) as error:
        what = f"it is not a parquet file of landmarks ({' '.join(str(error).split()):.200})"
        raise DataError(what, where=where, remedy=REMEDY) from error
    if not ((parts.reshape(-1, ROWS) == ROW_PART).all() and (landmark == ROW_LANDMARK).all()):
        parts_text = ", ".join(f"{part} {count}" for part, count in PARTS.items())
        raise DataError(f"the rows of a frame are not {parts_text} in their order", where=where, remedy=REMEDY)
    if not ((frame == frame[:, :1]).all() and (np.diff(frame[:, 0]) > 0).all()):
        raise DataError(f"its frames are not {ROWS} rows each, in rising order", where=where, remedy=REMEDY)
    frames = xyz.reshape(-1, ROWS, 3)[:, KEPT]
    if np.isinf(frames).any():
        at, joint = np.argwhere(np.isinf(frames))[0, :2]
        raise DataError(f"frame {at}, joint {joint} is not a finite number", where=where, remedy=REMEDY)
    return frames, ~np.isnan(frames).any(axis=-1)


def _table(content: bytes) -> pa.Table:
    """The columns that are needed; raises ValueError where they are not there, or have no clip's number of rows."""
    metadata = pq.read_metadata(pa.BufferReader(content))
    if lacking := {*LANDMARK_COLUMNS} - {*metadata.schema.names}:
        raise ValueError(f"no column {', '.join(sorted(lacking))}")
    rows = metadata.num_rows
    if rows < ROWS or rows % ROWS or rows > ROWS * FRAMES_LIMIT:
        raise ValueError(f"{rows:,} rows, they must be {ROWS} a frame and {FRAMES_LIMIT:,} frames at most")
    # As codes: a text column of few bytes can unpack to more than any memory has.
    file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=["type"])
    return file.read(columns=LANDMARK_COLUMNS, use_threads=False)
