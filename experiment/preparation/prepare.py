"""From clips in a known format or a generator to a processed clip store, and what the store then holds.

Formats are only names here; how each is read is the importers' business.
"""

import importlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from itertools import combinations
from pathlib import Path

import numpy as np

from datamodules.skeletons.importers import FORMATS, PERSONS, Options, load_importer
from schemas.errors import ConfigError, DataError

GENERATORS = {
    "signs": ("datamodules.skeletons.generators.signs", "write_signs"),
    "faces": ("datamodules.skeletons.generators.faces", "write_faces"),
}
ROOT = "data/processed"
OPTIONS = tuple(option.name for option in fields(Options))
KEYS = ("format", "source", "name", "root", "seed", "verify", "inspect", "draw", *OPTIONS)
PATHS = ("source", "root", "labels", "inspect", "draw")
USAGE = (
    "Use `inspect=PATH`, `format=nw_ucla source=PATH name=NAME [root=data/processed]`, `format=signs name=NAME "
    "[seed=0]`, `verify=NAME` or `layout=my.yaml draw=layout.png`."
)
Progress = Callable[[str, int | None], AbstractContextManager[Callable[[], None]]]


@dataclass(frozen=True)
class Request:
    """What a user asks of `prepare.py`, checked as far as that is possible without reading data.

    Raises:
        ConfigError: on a key or value that cannot be used.
    """

    verify: str | None = None
    inspect: Path | None = None
    """A source to be looked at."""
    draw: Path | None = None
    """Where the layout is drawn."""
    format: str | None = None
    name: str | None = None
    source: Path | None = None
    root: Path = Path(ROOT)
    seed: int = 0
    options: Options = field(default_factory=Options)

    @classmethod
    def from_words(cls, words: list[str]) -> "Request":
        """Reads `key=value` words. A value is taken as it stands: a path may hold `=`, `,`, `[`, `:` or `${`.

        OmegaConf reads values as YAML and resolves `${`, which no path survives; the first `=` is all there is
        to parse here.
        """
        given: dict[str, str] = {}
        for word in words:
            key, equals, value = word.partition("=")
            if not equals or not value or key not in KEYS or key in given:
                fault = "is given twice" if key in given else "is not `key=value` with a key of this command"
                raise ConfigError(f"{word!r} {fault}", remedy=f"Keys are {', '.join(KEYS)}. {USAGE}")
            given[key] = value
        if "verify" in given:
            cls._refuse(given, {"verify", "root"}, "beside verify")
        elif "inspect" in given:
            cls._refuse(given, {"inspect", *OPTIONS}, "beside inspect")
        elif "draw" in given:
            cls._refuse(given, {"draw", "layout"}, "beside draw")
            if "layout" not in given:
                raise ConfigError("it is not said what to draw", where="layout", remedy=USAGE)
        else:
            cls._check_import(given)
        typed: dict[str, object] = dict(given)
        typed |= {key: Path(given[key]).expanduser() for key in PATHS if key in given}
        typed |= {"layout": str(Path(given["layout"]).expanduser())} if "layout" in given else {}
        typed |= {"seed": _whole_number(given["seed"])} if "seed" in given else {}
        return cls(options=Options(**{key: typed.pop(key) for key in OPTIONS if key in typed}), **typed)

    @staticmethod
    def _refuse(given: dict[str, str], known: set[str], when: str, own: Sequence[str] = ()) -> None:
        if unused := sorted(set(given) - known):
            heeds = f"It heeds {', '.join(own)} beside format, name and root. " if own else ""
            raise ConfigError(f"{', '.join(unused)} has no meaning {when}", remedy=heeds + USAGE)

    @classmethod
    def _check_import(cls, given: dict[str, str]) -> None:
        formats = sorted([*FORMATS, *GENERATORS])
        if given.get("format", formats[0]) not in formats:
            what = f"there is no format {given['format']!r}"
            raise ConfigError(what, where="format", remedy=f"Formats are {', '.join(formats)}.")
        generated = given.get("format") in GENERATORS
        needed = ("format", "name") if generated else ("format", "source", "name")
        if missing := [key for key in needed if key not in given]:
            remedy = f"{USAGE} Formats are {', '.join(formats)}."
            raise ConfigError(f"{' and '.join(missing)} must be given", remedy=remedy)
        known = {"seed"} if generated else {"source", *load_importer(given["format"]).OPTIONS}
        cls._refuse(given, {"format", "name", "root"} | known, f"for {given['format']}", sorted(known))
        if given.get("persons", PERSONS[0]) not in PERSONS:
            remedy = f"Use {', '.join(PERSONS)}."
            raise ConfigError(f"there is no policy {given['persons']!r}", where="persons", remedy=remedy)
        name = given["name"]
        if name.startswith(".") or Path(name).name != name:
            raise ConfigError(f"{name!r} is not the plain name of a folder", where="name", remedy="Use e.g. name=ucla.")

    @property
    def target(self) -> Path:
        """The folder of the store."""
        return self.root / self.name


def _whole_number(text: str) -> int:
    if not text.isdecimal():
        raise ConfigError(f"{text!r} is not a whole number of 0 or more", where="seed", remedy="Use e.g. seed=0.")
    return int(text)


@dataclass
class Summary:
    """What a store holds, in numbers that a person can check against the data set's paper."""

    target: Path
    layout: str
    joints: int
    classes: int
    splits: dict[str, "SplitSummary"]
    dropped: dict[str, int] = field(default_factory=dict)
    """Why a clip or file was left out -> how many."""
    left_out: dict[str, int] = field(default_factory=dict)
    """What of the clips that are there was left out, and of how many of them."""
    shared: dict[tuple[str, str], int] = field(default_factory=dict)
    """(train, test) -> clips of the second split that stand in the first as well: whose test is no test."""


@dataclass
class SplitSummary:
    clips: int
    classes: int
    frames: tuple[int, float, int]
    """Least, median and most frames of a clip."""
    missing: float
    """Share of the joints that were not seen."""


def prepare(request: Request, progress: Progress = lambda title, total: nullcontext(lambda: None)) -> Summary:
    """Imports or generates the store that is asked for; it appears whole, or an older one stays.

    Args:
        request: as `Request.from_words` gives it.
        progress: called with a title and a number of clips (None where unknown), gives a context manager of a
            function that counts one clip.

    Raises:
        ConfigError: when the target is something else than a store.
        DataError: when the source cannot be used or the store not be written.
    """
    target = request.target
    if target.exists() and not (target / "meta.json").is_file():
        what = "something that is no clip store is in the way"
        raise ConfigError(what, where=target, remedy="Choose another name, or move it away.")
    try:
        if request.format in GENERATORS:
            module, function = GENERATORS[request.format]
            with progress(f"generating {request.format}", None):
                getattr(importlib.import_module(module), function)(target, request.seed)
            return summarise(target)
        return summarise(target, *_import(request, progress))
    except OSError as error:
        what = f"it cannot be read or written ({error.strerror or error})"
        raise DataError(
            what, where=error.filename or target, remedy="Check the disk's space and permissions."
        ) from error


def _import(request: Request, progress: Progress) -> tuple[dict[str, int], dict[str, int]]:
    """Writes the store; gives what was dropped and what of clips was left out."""
    from datamodules.skeletons.store_writer import new_store
    from schemas.skeleton import load_layout

    reading = load_importer(request.format).read(request.source, request.options)
    for read in filter(None, (request.source, request.options.labels, request.options.layout)):
        if Path(read).resolve().is_relative_to(request.target.resolve()):
            what = "this source lies in the folder that the store would replace"
            raise ConfigError(what, where=read, remedy="Choose another name.")
    dropped = dict(reading.skipped)
    with (
        new_store(
            request.target,
            load_layout(reading.layout) if isinstance(reading.layout, str) else reading.layout,
            reading.classes,
            source=reading.source,
            importer=reading.importer,
            coordinates=reading.coordinates,
        ) as writer,
        progress(f"importing {request.format}", reading.total) as count,
    ):
        for clip in reading.clips:
            if clip.visible is not None and not clip.visible.any():
                dropped["no joint seen in any frame"] = dropped.get("no joint seen in any frame", 0) + 1
            else:
                writer.add(clip)
            count()
    return dropped, dict(reading.left_out)


def verify(request: Request) -> Path:
    """Checks every byte of a store, named or given by its folder, against its checksums; raises DataError."""
    from datamodules.skeletons.store import ClipStore

    named = request.root / request.verify
    folder = named if named.is_dir() else Path(request.verify).expanduser()
    store = ClipStore(folder if folder.is_dir() else named)
    store.verify()
    return store.folder


def summarise(target: Path, dropped: dict[str, int] | None = None, left_out: dict[str, int] | None = None) -> Summary:
    """Reads a store once, a clip at a time."""
    from datamodules.skeletons.store import ClipStore
    from datamodules.skeletons.store_writer import SPLITS

    store = ClipStore(target)
    seen = np.array([store.visible[a:b].mean() for a, b in zip(store.offsets, store.offsets[1:], strict=False)])
    contents = {split: store.digests(store.rows(split)) for split in SPLITS}
    shared = {}
    for first, second in combinations(SPLITS, 2):
        known = set(contents[first])
        if count := sum(digest in known for digest in contents[second]):
            shared[first, second] = count
    splits = {}
    for split in SPLITS:
        rows = store.rows(split)
        if len(rows):
            lengths = store.lengths[rows]
            splits[split] = SplitSummary(
                clips=len(rows),
                classes=len(np.unique(store.labels[rows])),
                frames=(int(lengths.min()), float(np.median(lengths)), int(lengths.max())),
                missing=float(1 - np.average(seen[rows], weights=lengths)),
            )
    return Summary(
        target=target,
        layout=store.skeleton.name,
        joints=store.skeleton.num_joints,
        classes=len(store.classes),
        splits=splits,
        dropped=dropped or {},
        left_out=left_out or {},
        shared=shared,
    )
