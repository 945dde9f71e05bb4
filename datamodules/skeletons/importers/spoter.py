"""SPOTER tables: signs as CSV, a row a clip, a column a coordinate, a cell the list of its values over the frames.

Form (datasets/czech_slr_dataset.py and normalization/ of https://github.com/maty-bohacek/spoter): `labels` (a class, by
number from 0 in its own files) and for each of 54 landmarks `NAME_X` and `NAME_Y`; of hands NAME is `indexTip_left`, or
`indexTip_0` for the left and `_1` for the right one. A cell is a list in brackets, as long in all cells of a row. Both
coordinates 0, or one NaN, say that a landmark was not seen; `neck` may be absent, as in its code, and is then never
seen. Other columns (video_size_width, video_fps ...) are not read: coordinates stay as they stand, shares of the
picture's sides, y up. Numbers are rounded to float32.
Source: one .csv or .csv.gz, or a folder of them, read a row at a time. A file with train, val or test as a word of its
name is that split, any other one is for training. Clips have no names: an id is the file's name and the row's number.
Class names: a line each of the file `labels=`, in the order of the numbers; else the labels themselves.
"""

import csv
import gzip
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from datamodules.skeletons.importers import UNLABELLED, UNREADABLE, Options, Reading, is_utf8
from datamodules.skeletons.importers.classes import class_names, label_map
from datamodules.skeletons.importers.tables import Row, class_order
from datamodules.skeletons.store_writer import Clip
from schemas.errors import DataError
from schemas.skeleton import Skeleton, load_layout
from storage import fingerprint

WHERE = "SPOTER's tables of landmarks, https://github.com/maty-bohacek/spoter."
OPTIONS = ("labels",)
REMEDY = f"Mend or remove this row; a sound file, or the form to write: {WHERE}"
BODY = ("nose", "neck", "rightEye", "leftEye", "rightEar", "leftEar", "rightShoulder", "leftShoulder")
BODY += ("rightElbow", "leftElbow", "rightWrist", "leftWrist")
FINGERS = ("index", "middle", "ring", "little")
HAND = ("wrist", *(finger + joint for finger in FINGERS for joint in ("Tip", "DIP", "PIP", "MCP")))
HAND += ("thumbTip", "thumbIP", "thumbMP", "thumbCMC")
LANDMARKS = (*BODY, *(f"{joint}_{side}" for side in ("left", "right") for joint in HAND))
"""In the order of the layout's joints."""
COLUMNS = tuple(f"{landmark}_{axis}" for landmark in LANDMARKS for axis in "XY")
OPTIONAL = {"neck_X", "neck_Y"}
FRAMES_LIMIT = 10_000


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its coordinates are read when they are asked for."""
    files = _files(Path(source))
    total, first_of = 0, {}
    for file in files:
        for row in _rows(file, ("labels",)):
            first_of.setdefault(row.cells["labels"], row)
            total += 1
    if not total:
        raise DataError("it has no row below the column names", where=source, remedy=REMEDY)
    if options.labels is None:
        classes = class_order(first_of)
        label_of = {name: label for label, name in enumerate(classes)}
    else:
        label_of = {name: _number(row) for name, row in first_of.items()}
        classes = class_names(options.labels, max(label_of.values()) + 1, label_map(options.labels))
    return _reading(files, total, classes, label_of, options.labels)


def read_unlabelled(source: Path, options: Options, assumed: Skeleton) -> Reading:
    """Every row as a clip of no class; the column `labels` is not read."""
    files = _files(Path(source))
    total = sum(1 for file in files for _ in _rows(file, ()))
    return _reading(files, total, (UNLABELLED,), None, None)


def _reading(
    files: list[Path], total: int, classes: tuple[str, ...], label_of: dict[str, int] | None, labels: Path | None
) -> Reading:
    read_too = [] if labels is None else [labels]
    return Reading(
        layout=load_layout("spoter54"),
        classes=classes,
        total=total,
        source={
            "description": f"SPOTER, {', '.join(file.name for file in files[:3])}{' ...' if len(files) > 3 else ''}",
            "sha256": fingerprint.of_json([[file.name, fingerprint.of_file(file)] for file in [*files, *read_too]]),
        },
        clips=_clips(files, label_of),
        importer="spoter 1",
        coordinates=2,
    )


def _files(source: Path) -> list[Path]:
    """The tables, in the order of their names."""
    if not source.exists():
        raise DataError("there is no such file or folder", where=source, remedy=f"It can be had here: {WHERE}")
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    files = [file for file in files if re.search(r"(?i)^[^._].*\.csv(\.gz)?$", file.name) and file.is_file()]
    if not files:
        raise DataError("it is no .csv or .csv.gz and holds none", where=source, remedy=REMEDY)
    for number, file in enumerate(files):
        if not is_utf8(file.name):
            raise DataError(f"the name {ascii(file.name)[1:-1]} is not UTF-8", where=source, remedy="Rename this file.")
        if _stem(file) in map(_stem, files[:number]):
            raise DataError(f"{_stem(file)}.csv is there twice", where=source, remedy="Keep one of them.")
    return files


def _stem(file: Path) -> str:
    return re.sub(r"(?i)\.csv(\.gz)?$", "", file.name)


def _split(file: Path) -> str:
    found = re.search(r"(?<![a-z])(train|val|test)(?![a-z])", file.name.lower())
    return found[1] if found else "train"


def _rows(file: Path, wanted: Sequence[str]) -> Iterator[Row]:
    """The wanted cells of each row, which may not be empty; raises DataError naming the line."""
    try:
        with gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as raw:
            lines = csv.reader(io.TextIOWrapper(raw, "utf-8-sig", newline=""), strict=True)
            columns = [_column(cell) for cell in next(lines, [])]
            _check_columns(columns, (*wanted, *COLUMNS), file)
            places = [(column, columns.index(column)) for column in wanted if column in columns]
            for cells in lines:
                if not any(map(str.strip, cells)):
                    continue
                where = f"{file}, line {lines.line_num}"
                if len(cells) != len(columns):
                    what = f"it has {len(cells)} cells for {len(columns)} columns"
                    raise DataError(what, where=where, remedy=REMEDY)
                row = Row({column: cells[place].strip() for column, place in places}, where)
                if empty := [column for column, cell in row.cells.items() if not cell]:
                    raise DataError(f"it has no {empty[0]}", where=where, remedy=REMEDY)
                yield row
    except csv.Error as error:
        what = f"it cannot be read as CSV ({error!s:.200}; a cell may have {csv.field_size_limit():,} characters)"
        raise DataError(what, where=f"{file}, line {lines.line_num}", remedy=REMEDY) from error
    except UNREADABLE as error:
        what = f"it cannot be read as CSV in UTF-8 ({error!s:.200})"
        raise DataError(what, where=file, remedy=REMEDY) from error


def _column(name: str) -> str:
    """`indexTip_0_X` is what SPOTER's code makes of `indexTip_left_X`."""
    return name.strip().replace("_0_", "_left_").replace("_1_", "_right_")


def _check_columns(columns: list[str], needed: Sequence[str], file: Path) -> None:
    remedy = f"The form to write: {WHERE}"
    if lacking := [column for column in needed if column not in columns and column not in OPTIONAL]:
        more = f" and {len(lacking) - 1} more that SPOTER has" if len(lacking) > 1 else ""
        raise DataError(f"it has no column {lacking[0]!r}{more}", where=file, remedy=remedy)
    if ("neck_X" in columns) != ("neck_Y" in columns):
        raise DataError("it has one of the columns neck_X and neck_Y", where=file, remedy="Give both or neither.")
    if twice := [column for column in needed if columns.count(column) > 1]:
        raise DataError(f"it has the column {twice[0]!r} twice", where=file, remedy=remedy)


def _number(row: Row) -> int:
    label = row.cells["labels"]
    if not (label.isascii() and label.isdecimal() and len(label) < 10):
        what = f"its label {label!r:.50} is no number, of which labels= could give the name"
        raise DataError(what, where=row.where, remedy="Leave labels= out, or number the classes from 0.")
    return int(label)


def _clips(files: list[Path], label_of: dict[str, int] | None) -> Iterator[Clip]:
    for file in files:
        for number, row in enumerate(_rows(file, ("labels", *COLUMNS) if label_of else COLUMNS)):
            frames, visible = _joints(row)
            label = label_of[row.cells["labels"]] if label_of else 0
            yield Clip(frames, label, f"{_stem(file)}_{number:05d}", _split(file), visible)


def _joints(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """[T, 54, 2] float32 and [T, 54], which of them were seen."""
    values = {column: _numbers(row, column) for column in COLUMNS if column in row.cells}
    first, length = next((column, len(own)) for column, own in values.items())
    for column, own in values.items():
        if len(own) != length:
            what = f"{column} has {len(own):,} values, {first} has {length:,}"
            raise DataError(what, where=row.where, remedy=REMEDY)
    absent = np.zeros(length, np.float32)
    frames = np.stack([values.get(column, absent) for column in COLUMNS], axis=1).reshape(length, -1, 2)
    visible = (frames != 0).any(axis=-1) & ~np.isnan(frames).any(axis=-1)
    return frames, visible


def _numbers(row: Row, column: str) -> np.ndarray:
    """[T] float32 of a cell; raises DataError where it is no list of 1 to `FRAMES_LIMIT` numbers, NaN among them."""
    cell = row.cells[column]
    items = cell[1:-1].split(",")
    try:
        if not (cell.startswith("[") and cell.endswith("]")) or len(items) > FRAMES_LIMIT:
            raise ValueError(f"it must be a list in brackets, of 1 to {FRAMES_LIMIT:,} numbers")
        with np.errstate(over="ignore"):
            numbers = np.array(items, dtype=np.float64).astype(np.float32)
        if np.isinf(numbers).any():
            raise ValueError("a number is infinite as float32")
    except (ValueError, OverflowError) as error:
        what = f"{column} is {cell[:40]!r} ({error!s:.100})"
        raise DataError(what, where=row.where, remedy=REMEDY) from error
    return numbers
