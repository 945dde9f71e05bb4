"""A folder or zip file with a file a clip, and a CSV of labels: what formats without labels of their own share.

Labels: `labels=FILE.csv`, or `labels.csv` in the source, with the columns `file` (or `id`, which means the same; the
file's ending may be left out), `label`, optionally `split` (train, val, test; without it every clip is train), and any
others, which become groups (subject, signer, camera ...). Classes stand in the order of their numbers where all labels
are whole numbers, else in that of the alphabet. Files that the table does not list are left out and counted.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from datamodules.skeletons.importers import MEMBER_LIMIT, MemberReader, Members, Options
from datamodules.skeletons.importers.tables import Row, class_order, read_table
from datamodules.skeletons.store_writer import SPLITS, Clip
from schemas.errors import ConfigError, DataError
from storage import fingerprint

Load = Callable[[bytes, str], tuple[np.ndarray, np.ndarray]]
"""From a file's bytes and how an error names it to frames [T, V, C] and which joints were seen [T, V]."""
TABLE = "labels.csv"
FORM = "The columns are file, label, optionally split (train, val or test), and groups such as subject."


@dataclass(frozen=True)
class Entry:
    """A row of the labels and the file that it is about."""

    file: str
    id: str
    label: str
    split: str
    groups: dict[str, str]


@dataclass(frozen=True)
class Listing:
    """The clips that the labels list."""

    members: Members
    entries: list[Entry]
    """In the order of the clips' ids."""
    classes: tuple[str, ...]
    table: str
    """The name of the file of labels."""
    sha256: str
    skipped: dict[str, int]


def read_listing(source: Path, options: Options, ending: str, where: str) -> Listing:
    """Finds the clips of a source.

    Args:
        ending: of a clip's file, with its dot.
        where: where the data can be had, for errors.

    Raises:
        DataError: where no file has the ending, or a row of the labels is wrong or about none.
        ConfigError: where there are no labels.
    """
    pattern = rf"{re.escape(ending)}$"
    members = Members(source, pattern if options.labels else rf"{pattern}|(^|/){re.escape(TABLE)}$", where)
    files = [name for name in members.names if name.endswith(ending)]
    if not files:
        raise DataError(f"it holds no {ending} file", where=source, remedy=f"It can be had here: {where}")
    with members.reader() as reader:
        entries = _entries(_table(reader, options.labels, members), files, ending)
    sha256 = members.sha256()
    if options.labels:
        sha256 = fingerprint.of_json([sha256, fingerprint.of_file(options.labels)])
    unlisted = len(files) - len(entries)
    return Listing(
        members=members,
        entries=entries,
        classes=class_order(entry.label for entry in entries),
        table=(options.labels or Path(TABLE)).name,
        sha256=sha256,
        skipped={"not listed in the labels": unlisted} if unlisted else {},
    )


def listed_clips(listing: Listing, load: Load) -> Iterator[Clip]:
    """The clips that the labels list."""
    label_of = {name: label for label, name in enumerate(listing.classes)}
    with listing.members.reader() as reader:
        for entry in listing.entries:
            frames, visible = load(reader.read(entry.file), reader.where(entry.file))
            yield Clip(frames, label_of[entry.label], entry.id, entry.split, visible, groups=entry.groups)


def unlabelled_clips(members: Members, load: Load) -> Iterator[Clip]:
    """All files as clips of class 0."""
    with members.reader() as reader:
        for clip_id, file in files_by_id(members.names).items():
            frames, visible = load(reader.read(file), reader.where(file))
            yield Clip(frames, 0, clip_id, visible=visible)


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


def _entries(rows: list[Row], files: list[str], ending: str) -> list[Entry]:
    """One entry a row, in the order of the clips' ids."""
    by_id = files_by_id(files)
    # A row may name its file from the source's top or from the folder that holds them all.
    by_path = by_id | {name.removesuffix(ending): name for name in files}
    id_of = {name: clip_id for clip_id, name in by_id.items()}
    entries, seen = [], set()
    for row in rows:
        groups = dict(row.cells)
        named = groups.pop("file", None) or groups.pop("id", "")
        label, split = groups.pop("label"), groups.pop("split", SPLITS[0])
        file = by_path.get(named.removesuffix(ending))
        if file is None or file in seen:
            what = f"{named!r} is listed twice" if file else f"there is no file {named.removesuffix(ending)!r}{ending}"
            raise DataError(what, where=row.where, remedy="Mend or remove this row.")
        if split not in SPLITS:
            raise DataError(f"split {split!r} is none of {', '.join(SPLITS)}", where=row.where, remedy=FORM)
        if empty := [group for group, value in groups.items() if not value]:
            remedy = "Fill it in: a group keeps what belongs together in one split. Or remove the column."
            raise DataError(f"it has no {empty[0]}", where=row.where, remedy=remedy)
        seen.add(file)
        entries.append(Entry(file, id_of[file], label, split, groups))
    return sorted(entries, key=lambda entry: entry.id)


def files_by_id(files: list[str]) -> dict[str, str]:
    """Clip id -> file, by id; an id is the path below the folder that holds them all, without its ending."""
    folders = {PurePosixPath(name).parent for name in files}
    shared = next(p for p in (PurePosixPath(files[0]).parent, *PurePosixPath(files[0]).parents) if _holds(p, folders))
    by_id = {PurePosixPath(name).relative_to(shared).with_suffix("").as_posix(): name for name in files}
    return dict(sorted(by_id.items()))


def _holds(folder: PurePosixPath, folders: set[PurePosixPath]) -> bool:
    return all(other.is_relative_to(folder) for other in folders)


def unlabelled_members(source: Path, ending: str, where: str) -> Members:
    """All files of a source that have the ending, whatever a table says; `source` may be one such file itself."""
    if source.is_file() and source.suffix.lower() == ending:
        return Members(source.parent, rf"^{re.escape(source.name)}$", where, only=source.name)
    return Members(source, rf"{re.escape(ending)}$", where)
