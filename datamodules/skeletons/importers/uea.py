"""Any multivariate set of the UEA archive whose channels are points: `NAME_TRAIN.ts` and `NAME_TEST.ts`, plain or .gz.

Paper: Bagnall et al., "The UEA multivariate time series classification archive, 2018", arXiv:1811.00075; the form is
written down by aeon (docs/api_reference/data_format.md) and was read off its loader.
Source: a folder or zip file with one such pair. Lines with `#` or `%` are remarks, lines with `@` the header, whose
`@classLabel true A B ...` names the classes in label order; after `@data` a line is a clip: its channels with colons
between them, then its class. The channels are the points of `layout=` in its order, each with its 2 or 3 coordinates
one after the other (x1, y1, z1, x2, ...). Clips may have different lengths. A point with a `?` or NaN among its
coordinates was not seen in that frame. Time stamps and sets without classes (regression) are refused.
Split: the archive's. It does not say who made a clip, so there are no groups. Each file is read whole, so that it may
have 64 MiB. NATOPS, whose header does not name its gestures, has a format of its own.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datamodules.skeletons.importers import UNLABELLED, MemberReader, Members, Options, Reading
from datamodules.skeletons.store_writer import Clip
from schemas.errors import ConfigError, DataError
from schemas.skeleton import Skeleton, load_layout, shipped_layouts

WHERE = "the UEA archive, https://www.timeseriesclassification.com."
OPTIONS = ("layout",)
SPLITS = ("train", "test")
REMEDY = f"Restore this file from a sound copy: {WHERE}"


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its clips are read when they are asked for."""
    members = Members(source, r"(^|/)[^/]+_(TRAIN|TEST)\.ts(\.gz)?$", WHERE)
    if options.layout is None:
        what = "a .ts file does not say what its channels are"
        remedy = f"Give layout=NAME, one of {', '.join(shipped_layouts())}, or the path of a YAML file of your own."
        raise ConfigError(what, where="layout", remedy=remedy)
    joints = load_layout(options.layout).num_joints
    files = {split: _file(members, source, split) for split in SPLITS}
    members.names = sorted(files.values())
    with members.reader() as reader:
        texts = {split: _parse(reader, name) for split, name in files.items()}
    classes = texts["train"].classes
    return Reading(
        layout=options.layout,
        classes=classes,
        total=sum(len(text.rows) for text in texts.values()),
        source={"description": f"{Path(files['train']).name} and its TEST file", "sha256": members.sha256()},
        clips=_clips(members, files, classes, joints, texts["train"].coordinates(joints)),
        importer="uea 1",
        coordinates=texts["train"].coordinates(joints),
    )


def read_unlabelled(source: Path, options: Options, assumed: Skeleton) -> Reading:
    """Every line of every .ts or .ts.gz file as a clip of no class; `source` may be one such file.

    The header need not name classes, and a line need not end in one; where it does, that is not used, be it a `?`.

    Args:
        assumed: whose joints the channels are where `layout=` is not given.
    """
    layout = assumed if options.layout is None else load_layout(options.layout)
    members = _ts_members(source)
    with members.reader() as reader:
        first, *others = members.names
        text = _parse(reader, first, needs_classes=False)
        total = len(text.rows) + sum(len(_parse(reader, name, needs_classes=False).rows) for name in others)
    coordinates = text.coordinates(layout.num_joints)
    return Reading(
        layout=layout,
        classes=(UNLABELLED,),
        total=total,
        source={"description": ".ts files, unlabelled", "sha256": members.sha256()},
        clips=_unlabelled_clips(members, layout.num_joints, coordinates),
        importer="uea 1",
        coordinates=coordinates,
    )


def _ts_members(source: Path) -> Members:
    """All .ts files; of a plain and a packed copy the plain one."""
    pattern = r"\.ts(\.gz)?$"
    if source.is_file() and re.search(pattern, source.name):
        return Members(source.parent, pattern, WHERE, only=source.name)
    members = Members(source, pattern, WHERE)
    copies = {f"{name}.gz" for name in members.names}
    members.names = [name for name in members.names if name not in copies]
    return members


def _file(members: Members, source: Path, split: str) -> str:
    found = [name for name in members.names if f"_{split.upper()}.ts" in name]
    # Of a plain and a packed copy the plain one comes first in the sorted names.
    if len({name.removesuffix(".gz") for name in found}) != 1:
        what = f"there must be one file that ends in _{split.upper()}.ts or .ts.gz, there are {len(found)}"
        raise DataError(what, where=source, remedy="Give the folder or zip file of one data set.")
    return found[0]


@dataclass(frozen=True)
class TsFile:
    """A file's header and the lines of its clips."""

    classes: tuple[str, ...]
    rows: list[tuple[int, str]]
    """Line number and text."""
    where: str

    def coordinates(self, joints: int) -> int:
        """C, from the channels of the first clip; raises DataError where they are no 2 or 3 for each joint."""
        channels = len(self.channels(0, joints))
        if channels not in (2 * joints, 3 * joints):
            what = f"it has {channels} channels, a layout of {joints} joints needs {2 * joints} or {3 * joints}"
            where = f"{self.where}, line {self.rows[0][0]}"
            raise DataError(what, where=where, remedy="Choose the layout that the data was recorded with.")
        return channels // joints

    def channels(self, index: int, joints: int) -> list[str]:
        """Those of a clip, without the class at the line's end: their number says whether one is there.

        A lone point may have 2 channels and a class, or 3 channels: there the header says it.
        """
        cells = [cell.strip() for cell in self.rows[index][1].split(":")]
        fits_without, fits_with = (count in (2 * joints, 3 * joints) for count in (len(cells), len(cells) - 1))
        has_class = fits_with or not fits_without if self.classes else fits_with and not fits_without
        return cells[:-1] if has_class else cells


def _parse(reader: MemberReader, name: str, needs_classes: bool = True) -> TsFile:
    where, tags, rows = reader.where(name), {}, []
    # Remarks may be in any encoding; the numbers and tags are ASCII.
    for number, line in enumerate(io.StringIO(reader.read(name).decode("latin-1")), start=1):
        line = line.strip()
        if line.startswith("@"):
            tag, _, value = line.partition(" ")
            tags[tag.lower()] = value.split()
        elif line and line[0] not in "#%":
            rows.append((number, line))
    if tags.get("@timestamps", ["false"])[:1] not in (["false"], ["False"]):
        raise DataError("its values have time stamps, which are not supported", where=where)
    flag, *classes = tags.get("@classlabel") or ["false"]
    if needs_classes and (flag.lower() != "true" or not classes or len(set(classes)) != len(classes)):
        what = "its header has no `@classLabel true A B ...` with the names of its classes, each once"
        raise DataError(what, where=where, remedy=REMEDY)
    if not rows:
        raise DataError("it holds no clip", where=where, remedy=REMEDY)
    return TsFile(tuple(classes), rows, where)


def _clips(
    members: Members, files: dict[str, str], classes: tuple[str, ...], joints: int, coordinates: int
) -> Iterator[Clip]:
    with members.reader() as reader:
        for split, name in files.items():
            text = _parse(reader, name)
            for index, (number, line) in enumerate(text.rows):
                where = f"{text.where}, line {number}"
                *channels, label = map(str.strip, line.split(":"))
                frames = _frames(channels, joints, coordinates, where)
                if label not in classes:
                    raise DataError(f"its class {label!r} is none of {', '.join(classes)}", where=where, remedy=REMEDY)
                yield Clip(
                    frames=frames,
                    visible=~np.isnan(frames).any(axis=-1),
                    label=classes.index(label),
                    id=f"{split}_{index:05d}",
                    split=split,
                )


def _unlabelled_clips(members: Members, joints: int, coordinates: int) -> Iterator[Clip]:
    with members.reader() as reader:
        for name in members.names:
            text = _parse(reader, name, needs_classes=False)
            for index, (number, _) in enumerate(text.rows):
                frames = _frames(text.channels(index, joints), joints, coordinates, f"{text.where}, line {number}")
                clip_id = f"{name.removesuffix('.gz').removesuffix('.ts')}_{index:05d}"
                yield Clip(frames, 0, clip_id, visible=~np.isnan(frames).any(axis=-1))


def _frames(channels: list[str], joints: int, coordinates: int, where: str) -> np.ndarray:
    """[T, V, C] of one clip, NaN where a value is missing."""
    if len(channels) != joints * coordinates:
        what = f"it has {len(channels)} channels, {joints} joints x {coordinates} coordinates are "
        raise DataError(f"{what}{joints * coordinates}", where=where, remedy=REMEDY)
    try:
        with np.errstate(over="ignore"):
            values = [np.array(channel.replace("?", "nan").split(","), dtype=np.float32) for channel in channels]
    except ValueError as error:
        raise DataError(f"it is not all numbers ({error})", where=where, remedy=REMEDY) from error
    if len({len(channel) for channel in values}) != 1:
        raise DataError("its channels have different lengths", where=where, remedy=REMEDY)
    frames = np.stack(values, axis=1).reshape(-1, joints, coordinates)
    if np.isinf(frames).any():
        frame, joint = np.argwhere(np.isinf(frames))[0, :2]
        raise DataError(f"frame {frame}, point {joint} is not a finite number", where=where, remedy=REMEDY)
    return frames
