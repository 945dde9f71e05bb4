"""NATOPS aircraft-handling signals: both hands, elbows, wrists and thumbs of 20 people, 6 of 24 gestures.

Paper: Song, Demirdjian and Davis, "Tracking Body and Hands for Gesture Recognition: NATOPS Aircraft Handling
Signals Database", FG 2011; this form is that of the UEA archive of multivariate time series (Bagnall et al. 2018).
Source: a folder or zip file with `NATOPS_TRAIN.ts` and `NATOPS_TEST.ts`, or the same with `.gz`. A line is a clip:
24 channels (8 points x xyz, in the order of layout natops8), 51 frames each, colons between them, then the class.
y is up and x grows towards the right hand; units are those of the archive. Split: the archive's. It does not say
who performed a clip, so there are no groups.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datamodules.skeletons.importers import Members, Options, Reading
from datamodules.skeletons.store_writer import Clip
from schemas.errors import DataError

WHERE = "NATOPS in the UEA archive, https://www.timeseriesclassification.com/description.php?Dataset=NATOPS."
OPTIONS = ()
CLASSES = ("I have command", "All clear", "Not clear", "Spread wings", "Fold wings", "Lock wings")
POINTS = 8
SPLITS = ("train", "test")
REMEDY = f"Restore this file from a sound copy: {WHERE}"


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its clips are read when they are asked for."""
    members = Members(source, r"(^|/)NATOPS_(TRAIN|TEST)\.ts(\.gz)?$", WHERE)
    files = {}
    for split in SPLITS:
        stem = f"NATOPS_{split.upper()}.ts"
        # Of a plain and a packed copy the plain one comes first in the sorted names.
        found = [name for name in members.names if stem in name]
        if not found:
            raise DataError(f"there is no {stem} or {stem}.gz", where=source, remedy=f"It can be had here: {WHERE}")
        files[split] = found[0]
    members.names = sorted(files.values())
    with members.reader() as reader:
        total = sum(len(_rows(reader.read(name))) for name in files.values())
    return Reading(
        layout="natops8",
        classes=CLASSES,
        total=total,
        source={"description": "NATOPS, UEA archive, its own split", "sha256": members.sha256()},
        clips=_clips(members, files),
        importer="natops 1",
    )


def _rows(content: bytes) -> list[tuple[int, str]]:
    """Line number and text of every clip. The header of the file is not UTF-8; the numbers are ASCII."""
    lines = enumerate(io.StringIO(content.decode("latin-1")), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip() and line[0] not in "#@"]


def _clips(members: Members, files: dict[str, str]) -> Iterator[Clip]:
    with members.reader() as reader:
        for split, name in files.items():
            rows = _rows(reader.read(name))
            if not rows:
                raise DataError("it holds no clip", where=reader.where(name), remedy=REMEDY)
            for index, (number, line) in enumerate(rows):
                frames, label = _parse(line, f"{reader.where(name)}, line {number}")
                yield Clip(frames=frames, label=label, id=f"{split}_{index:03d}", split=split)


def _parse(line: str, where: str) -> tuple[np.ndarray, int]:
    """[T, 8, 3] coordinates and the label of one clip."""
    *channels, name = line.split(":")
    if len(channels) != POINTS * 3:
        what = f"it has {len(channels)} channels, {POINTS} points x 3 coordinates are {POINTS * 3}"
        raise DataError(what, where=where, remedy=REMEDY)
    try:
        values = [np.array(channel.split(","), dtype=np.float32) for channel in channels]
        label = float(name)
    except ValueError as error:
        raise DataError(f"it is not all numbers ({error})", where=where, remedy=REMEDY) from error
    if len({len(channel) for channel in values}) != 1:
        raise DataError("its channels have different lengths", where=where, remedy=REMEDY)
    frames = np.stack(values, axis=1).reshape(-1, POINTS, 3)
    if not np.isfinite(frames).all():
        frame, point = np.argwhere(~np.isfinite(frames))[0, :2]
        raise DataError(f"frame {frame}, point {point} is not a finite number", where=where, remedy=REMEDY)
    if label not in range(1, len(CLASSES) + 1):
        raise DataError(f"its class {name} is none of 1 to {len(CLASSES)}", where=where, remedy=REMEDY)
    return frames, int(label) - 1
