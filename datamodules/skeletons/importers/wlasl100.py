"""WLASL100, word-level American Sign Language: MediaPipe hands of the 100 commonest glosses.

Paper: Li et al., "Word-level Deep Sign Language Recognition from Video", WACV 2020.
Source: a zip file or folder with `clips.csv` (video_id, split, gloss, label) and `landmarks/<video_id>.npy`,
float32 [T, 2 hands, 21, xyz], xy in image units (y down; it may leave [0, 1]), -1 where no hand was detected.
Split: the official one. Such a hand is not visible and its -1 never becomes a coordinate.

The two hands of a frame come in the detector's order, which changes from frame to frame. They are assigned to the
signer's left and right by the cheapest path through the clip (Viterbi over the frames that have a hand), where
- a side whose wrist moves pays the way it moved, in image units; a lone hand that changes side pays SWITCH;
- a hand whose own shape is that of the other side pays SHAPE: fingers close towards the palm, so the sign of
  (palm normal) . (direction of the fingers) tells a left hand from a right one, however it is turned;
- a left hand left of the right one pays ORDER: in an unmirrored video the signer's left is on the image's right.
Motion thus keeps a hand on its side from frame to frame, and shape and order, summed over the clip, name the sides.
Where two hands are seen well apart, shape alone agrees with order in 90 % of the frames; alone and off the
middle, in 93 % of the clips. A left-handed signer stays left-handed.
"""

import csv
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from datamodules.skeletons.importers import MemberReader, Members, Options, Reading
from datamodules.skeletons.importers.npz_arrays import read_header
from datamodules.skeletons.store_writer import SPLITS, Clip
from schemas.errors import DataError

WHERE = (
    "WLASL, https://github.com/dxli94/WLASL; hand landmarks of its 100 commonest glosses by "
    "https://github.com/iamzaneth/wlasl-sign-language-recognition."
)
REMEDY = f"Restore this file from a sound copy: {WHERE}"
OPTIONS = ()
COLUMNS = ("video_id", "split", "gloss", "label")
SWITCH, SHAPE, ORDER = 0.3, 0.05, 0.05


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its clips are read when they are asked for."""
    members = Members(source, r"(^|/)(clips\.csv|landmarks/[^/]+\.npy)$", WHERE)
    tables = [name for name in members.names if PurePosixPath(name).name == "clips.csv"]
    if len(tables) != 1:
        what = f"there must be one clips.csv beside the folder landmarks, there are {len(tables)}"
        raise DataError(what, where=source, remedy=f"It can be had here: {WHERE}")
    with members.reader() as reader:
        rows = _table(reader, tables[0])
    folder = PurePosixPath(tables[0]).parent
    listed = {row["video_id"]: (folder / "landmarks" / f"{row['video_id']}.npy").as_posix() for row in rows}
    glosses = {int(row["label"]): row["gloss"] for row in rows}
    unlisted = len(members.names) - 1 - len(set(members.names) & set(listed.values()))
    return Reading(
        layout="hands42",
        classes=tuple(glosses[label] for label in sorted(glosses)),
        total=len(rows),
        source={"description": "WLASL100, MediaPipe hands, official split", "sha256": members.sha256()},
        clips=_clips(members, rows, listed),
        importer="wlasl100 1",
        skipped={"not listed in clips.csv": unlisted} if unlisted else {},
    )


def _table(reader: MemberReader, name: str) -> list[dict[str, str]]:
    """The rows of clips.csv, by video id."""

    def fail(what: str, line: int):
        raise DataError(what, where=f"{reader.where(name)}, line {line}", remedy=REMEDY)

    try:
        rows = list(csv.DictReader(io.StringIO(reader.read(name).decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"it is not a CSV file ({error})", where=reader.where(name), remedy=REMEDY) from error
    gloss_of: dict[str, str] = {}
    seen = set()
    for line, row in enumerate(rows, start=2):
        if missing := [column for column in COLUMNS if not row.get(column)]:
            fail(f"it has no {' and no '.join(missing)}; the columns are {', '.join(COLUMNS)}", line)
        if not re.fullmatch(r"[\w-]+", row["video_id"]) or row["video_id"] in seen:
            fail(f"video_id {row['video_id']!r} stands there twice or is no plain name", line)
        if row["split"] not in SPLITS:
            fail(f"split {row['split']!r} is none of {', '.join(SPLITS)}", line)
        if (
            not re.fullmatch(r"[0-9]{1,9}", row["label"])
            or gloss_of.setdefault(row["label"], row["gloss"]) != row["gloss"]
        ):
            what = f"label {row['label'][:20]!r} is no number of 9 digits at most"
            fail(f"{what}, or another row gives it to another gloss", line)
        seen.add(row["video_id"])
    labels = sorted(map(int, gloss_of))
    if labels != list(range(len(labels))):
        gap = next((n for n, label in enumerate(labels) if n != label), 0)
        raise DataError(f"labels must run from 0 without a gap; {gap} is missing", where=reader.where(name))
    return sorted(rows, key=lambda row: row["video_id"])


def _clips(members: Members, rows: list[dict[str, str]], listed: dict[str, str]) -> Iterator[Clip]:
    with members.reader() as reader:
        for row in rows:
            hands, seen = _landmarks(reader, listed[row["video_id"]])
            frames, visible = by_side(hands, seen)
            yield Clip(frames=frames, visible=visible, label=int(row["label"]), id=row["video_id"], split=row["split"])


def _landmarks(reader: MemberReader, name: str) -> tuple[np.ndarray, np.ndarray]:
    """[T, 2, 21, 3] image units and [T, 2] whether the hand was detected."""
    raw = reader.read(name)
    try:
        file = io.BytesIO(raw)
        dtype, shape, is_fortran = read_header(file)
        if dtype != np.float32 or len(shape) != 4 or shape[0] < 1 or shape[1:] != (2, 21, 3):
            raise ValueError(f"{dtype} of shape {list(shape)}, it must be float32 [T, 2, 21, 3] with T at least 1")
        # A header may claim any shape: it must be that of the bytes which are there.
        if len(raw) - file.tell() != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{len(raw) - file.tell():,} bytes for the shape {list(shape)}")
        hands = np.frombuffer(raw, dtype, offset=file.tell()).reshape(shape, order="F" if is_fortran else "C")
    except ValueError as error:
        raise DataError(f"not landmarks: {error!s:.200}", where=reader.where(name), remedy=REMEDY) from error
    seen = ~(hands == -1).all(axis=(2, 3))
    if not np.isfinite(hands[seen]).all():
        frame = int(np.argwhere(~np.isfinite(hands) & seen[..., None, None])[0, 0])
        raise DataError(f"frame {frame} is not all finite numbers", where=reader.where(name), remedy=REMEDY)
    if (hands[seen] == -1).all(axis=-1).any():
        raise DataError("a detected hand has a landmark of -1", where=reader.where(name), remedy=REMEDY)
    return hands, seen


def by_side(hands: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Puts each frame's hands to the signer's left and right; see the top of this file.

    Args:
        hands: [T, 2, 21, 3] in the detector's order.
        seen: [T, 2] whether there is a hand.

    Returns:
        frames [T, 42, 3], the left hand first, zero where no hand is, and visible [T, 42].
    """
    swapped = np.zeros(len(hands), dtype=bool)
    frames = np.flatnonzero(seen.any(axis=1))
    swapped[frames] = _cheapest_path(hands[frames].astype(np.float64), seen[frames])
    order = np.where(swapped[:, None], [1, 0], [0, 1])
    hands = np.where(seen[..., None, None], hands, np.float32(0))
    hands, seen = np.take_along_axis(hands, order[..., None, None], 1), np.take_along_axis(seen, order, 1)
    return hands.reshape(len(hands), 42, 3), np.repeat(seen, 21, axis=1)


def _cheapest_path(hands: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """[T] bool, whether the detector's first hand is the signer's right one; every frame has a hand."""
    leftness = np.where(seen, left_shape(hands), 0.0)
    wrist = hands[:, :, 0, :2]
    cost_TS = SHAPE * (leftness[:, 1] - leftness[:, 0])[:, None] * [1.0, -1.0]
    cost_TS = cost_TS - np.where(seen.all(1), ORDER * np.sign(wrist[:, 0, 0] - wrist[:, 1, 0]), 0.0)[:, None] * [1, -1]
    came_from = np.zeros((len(hands), 2), dtype=int)
    total = cost_TS[0] if len(hands) else np.zeros(2)
    for t in range(1, len(hands)):
        step = np.array([[_step(wrist, seen, t, a, b) for b in (0, 1)] for a in (0, 1)]) + total[:, None]
        came_from[t] = step.argmin(axis=0)
        total = step.min(axis=0) + cost_TS[t]
    path = np.zeros(len(hands), dtype=bool)
    state = int(total.argmin())
    for t in reversed(range(len(hands))):
        path[t] = state
        state = came_from[t, state]
    return path


def _step(wrist: np.ndarray, seen: np.ndarray, t: int, before: int, now: int) -> float:
    """What the sides that both frames have pay for moving; in state 1 slot and side are exchanged."""
    ways = [
        np.hypot(*(wrist[t, side ^ now] - wrist[t - 1, side ^ before]))
        for side in (0, 1)
        if seen[t, side ^ now] and seen[t - 1, side ^ before]
    ]
    return sum(ways) if ways else SWITCH


def left_shape(hands: np.ndarray) -> np.ndarray:
    """[..., 21, 3] -> [...] +1 where the landmarks have the shape of a left hand, -1 of a right one, 0 neither."""
    wrist, knuckles, tips = hands[..., 0, :], hands[..., [5, 9, 13, 17], :], hands[..., [8, 12, 16, 20], :]
    normal = np.cross(hands[..., 5, :] - wrist, hands[..., 17, :] - wrist)
    return -np.sign((normal * (tips - knuckles).mean(axis=-2)).sum(axis=-1))
