"""Formats of clips: a registry of their names, and what the importers share. Importing it loads no torch.

An importer is a module with `WHERE` (where the data can be had), `OPTIONS` (names of the fields of `Options` that it
heeds) and `read(source, options) -> Reading`. It streams: memory holds one clip at a time. It repeats: the same source
gives the same clips in the same order. Where clips can come without labels there is also
`read_unlabelled(source, options, assumed) -> Reading`, for clips that are only predicted.
"""

import gzip
import importlib
import lzma
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO

from schemas.errors import ConfigError, DataError
from storage import fingerprint

if TYPE_CHECKING:
    from datamodules.skeletons.store_writer import Clip
    from schemas.skeleton import Skeleton

_NAMES = ("nw_ucla", "wlasl100", "natops", "pyskl", "npz", "ntu", "kinetics", "npy_folder", "islr", "uea")
_NAMES += ("spoter", "openhands", "pose")
FORMATS = {name: f"{__name__}.{name}" for name in _NAMES}
PERSONS = ("most_moving", "first", "both")
UNLABELLED = "(unlabelled)"
"""The one class of clips that are read without labels."""

MEMBER_LIMIT = 64 * 2**20
"""Bytes of one file of clips; the largest real one has 2 MB. A zip may claim more than any memory has."""
MEMBERS_LIMIT = 1_000_000
"""Files of one source."""
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    ValueError,
)
"""What reading a damaged zip or gzip file raises."""


def load_importer(name: str) -> ModuleType:
    """The importer of a format; raises ConfigError naming those that exist."""
    if name not in FORMATS:
        raise ConfigError(
            f"there is no format {name!r} to import", where="format", remedy=f"Use {', '.join(sorted(FORMATS))}."
        )
    return importlib.import_module(FORMATS[name])


@dataclass(frozen=True)
class Options:
    """What a user says of a source beside its path; None where nothing is said."""

    layout: str | None = None
    """A shipped layout's name or the path of a YAML file, where the format does not imply one."""
    labels: Path | None = None
    """A file of labels or of class names, where the format keeps them apart from the clips."""
    split: str | None = None
    """Which of the source's own splits, where it has several."""
    persons: str | None = None
    """What becomes of several persons in a clip, of `PERSONS`: the one that moves most (None says this), the first, or
    two as the parts of one skeleton."""


@dataclass
class Reading:
    """A source that was found to be what it claims, with its clips still to be read."""

    layout: "str | Skeleton"
    """A shipped layout's name, or a skeleton."""
    classes: tuple[str, ...]
    """Class names in label order."""
    total: int
    """How many clips there are to read, for the progress bar."""
    source: dict[str, str]
    """What the store's header says of the source: `description` and `sha256`."""
    clips: Iterator["Clip"]
    """Every clip once, in a fixed order; raises DataError naming the file, the clip and the remedy."""
    importer: str
    """Name and version; a higher version gives other clips from the same source."""
    coordinates: int = 3
    skipped: dict[str, int] = field(default_factory=dict)
    """Why a file was not taken for a clip -> how many; known before the clips are read."""
    left_out: Counter[str] = field(default_factory=Counter)
    """What clips lost on the way (persons) -> how many; complete when the last clip was read."""


class Members:
    """The files of a source that is a folder or a zip file, by their paths inside it; nothing is unpacked to disk.

    Args:
        pattern: found in the paths of the files that are taken; the others are counted.
        where: where the data can be had, for errors.
        only: the one file of a folder that is looked at, the rest of which may be of any size; None: all.

    Raises:
        DataError: when the source is missing, damaged or a lone file, or when one of its files is absurdly large or
            has a name that is not UTF-8, which no store or table of predictions could hold.
    """

    def __init__(self, source: Path, pattern: str, where: str, only: str | None = None):
        self.source, self.where = Path(source), where
        matches = re.compile(pattern).search
        if not self.source.exists():
            raise DataError("there is no such file or folder", where=source, remedy=f"It can be had here: {where}")
        if self.source.is_dir():
            paths = self.source.rglob("*") if only is None else [self.source / only]
            sizes = {p.relative_to(self.source).as_posix(): p.stat().st_size for p in paths if p.is_file()}
        else:
            sizes = self._zip_sizes()
        # macOS puts a `._name` beside each file and a __MACOSX folder into its zips
        sizes = {n: s for n, s in sizes.items() if not re.search(r"(^|/)(\._|__MACOSX/)", n)}
        self.names = sorted(name for name in sizes if matches(name))
        self.others = len(sizes) - len(self.names)
        if not self.names:
            raise DataError(
                f"it holds {len(sizes):,} files and none that matches {pattern!r}",
                where=source,
                remedy=f"Is this the right data set? It can be had here: {where}",
            )
        if bad := next((name for name in self.names if not is_utf8(name)), None):
            what = f"the name of its file {ascii(bad)[1:-1]} is not UTF-8"
            raise DataError(what, where=source, remedy="Rename this file.")
        too_large = next((name for name in self.names if sizes[name] > MEMBER_LIMIT), None)
        if too_large or len(sizes) > MEMBERS_LIMIT:
            what = f"{too_large} has {sizes[too_large]:,} bytes" if too_large else f"it holds {len(sizes):,} files"
            raise DataError(what, where=source, remedy=f"That is no data of this kind; a sound copy is here: {where}")

    def _zip_sizes(self) -> dict[str, int]:
        try:
            with zipfile.ZipFile(self.source) as archive:
                return {i.filename: i.file_size for i in archive.infolist() if not i.is_dir()}
        except zipfile.BadZipFile as error:
            if self.source.suffix.lower() == ".zip" or _begins_as_zip(self.source):
                raise self._damaged(self.source, error) from error
            remedy = "Give the folder that it lies in, or a zip file of that."
            raise DataError("it is one file, and no zip file", where=self.source, remedy=remedy) from error
        except UNREADABLE as error:
            raise self._damaged(self.source, error) from error

    def _damaged(self, where: object, error: Exception) -> DataError:
        return DataError(
            f"it cannot be read, it is damaged, incomplete or not a zip file ({error})",
            where=where,
            remedy=f"Download it again: {self.where}",
        )

    def _absent(self, where: object) -> DataError:
        remedy = f"Mend what lists this file, or restore it from a sound copy: {self.where}"
        return DataError("there is no such file, though the source lists it", where=where, remedy=remedy)

    @contextmanager
    def reader(self) -> Iterator["MemberReader"]:
        """Keeps a zip file open while many of its members are read."""
        if self.source.is_dir():
            yield MemberReader(self, None)
            return
        try:
            archive = zipfile.ZipFile(self.source)
        except UNREADABLE as error:
            raise self._damaged(self.source, error) from error
        with archive:
            yield MemberReader(self, archive)

    def sha256(self) -> str:
        """Of the zip file; of a folder, over the names and contents of the files that are read."""
        if self.source.is_file():
            return fingerprint.of_file(self.source)
        return fingerprint.of_json({name: fingerprint.of_file(self.source / name) for name in self.names})


def is_utf8(name: str) -> bool:
    """Python gives a file's name with lone surrogates where its bytes are no UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _begins_as_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


class MemberReader:
    """Reads the files of `Members`, each whole."""

    def __init__(self, members: Members, archive: zipfile.ZipFile | None):
        self._members, self._archive = members, archive

    def where(self, name: str) -> str:
        """How an error names a file of the source."""
        return f"{self._members.source}, {name}"

    def read(self, name: str) -> bytes:
        """The bytes of one file, unpacked where it ends in .gz; raises DataError where it is damaged or absent."""
        try:
            with self._open(name) as file:
                stream = gzip.GzipFile(fileobj=file) if name.endswith(".gz") else file
                content = stream.read(MEMBER_LIMIT + 1)
        except (KeyError, FileNotFoundError) as error:
            raise self._members._absent(self.where(name)) from error
        except UNREADABLE as error:
            raise self._members._damaged(self.where(name), error) from error
        if len(content) > MEMBER_LIMIT:
            raise DataError(f"it unpacks to more than {MEMBER_LIMIT:,} bytes", where=self.where(name))
        return content

    def _open(self, name: str) -> BinaryIO:
        return self._archive.open(name) if self._archive else (self._members.source / name).open("rb")
