"""What a source of clips or events seems to be, and what `prepare.py` or `train.py` would do with it."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from datamodules.skeletons.importers import FORMATS, Options, Reading, load_importer
from schemas.errors import ConfigError, DataError, ExperimentError
from schemas.skeleton import Skeleton, load_layout


@dataclass(frozen=True)
class Guess:
    """What came of reading a source as one format."""

    format: str
    reading: Reading | None
    why_not: str = ""


def inspect(source: Path, options: Options) -> str:
    """Tries every format of clips, then a log of events; nothing is written.

    Args:
        options: what the user says of the source; each format is told those that it heeds.

    Returns:
        Text: for clips what would be read and the command; for events a YAML file for `conf/datamodule/`.

    Raises:
        DataError: where it is none of all, with what each of them said.
    """
    if not source.exists():
        raise DataError("there is no such file or folder", where=source, remedy="Correct the path.")
    guesses = [_guess(source, name, options) for name in FORMATS]
    if readable := [guess for guess in guesses if guess.reading is not None]:
        return "\n\n".join("\n".join(_describe(source, guess, options)) for guess in readable)
    from datamodules.events.drafting import draft

    try:
        return draft(source).yaml()
    except DataError as error:
        said = [f"as {guess.format}: {guess.why_not}" for guess in guesses] + [f"as a log of events: {error.what}"]
        what = "it is in no format that can be read:\n  " + "\n  ".join(said)
        raise DataError(
            what, where=source, remedy="\nWith layout= or labels= beside inspect= more can be read."
        ) from error


def _guess(source: Path, name: str, options: Options) -> Guess:
    try:
        importer = load_importer(name)
        return Guess(name, importer.read(source, _heeded(importer.OPTIONS, options)))
    except ExperimentError as error:
        return Guess(name, None, " ".join(error.what.split()))


def _heeded(names: tuple[str, ...], options: Options) -> Options:
    return replace(Options(), **{name: getattr(options, name) for name in names})


def _describe(source: Path, guess: Guess, options: Options) -> Iterator[str]:
    reading = guess.reading
    skeleton = reading.layout if isinstance(reading.layout, Skeleton) else load_layout(reading.layout)
    yield f"format {guess.format}: {reading.source.get('description', '')}"
    yield f"  {reading.total:,} clips, {len(reading.classes)} classes: {_some(reading.classes)}"
    yield f"  layout {skeleton.name}, {skeleton.num_joints} joints in {reading.coordinates}D: {_some(skeleton.joints)}"
    yield from (f"  left aside, {why}: {count:,}" for why, count in reading.skipped.items())
    clip = next(iter(reading.clips), None)
    if clip is not None:
        groups = "".join(f", {name} {value}" for name, value in clip.groups.items())
        yield f"  first clip: {clip.id}, {len(clip.frames)} frames, {reading.classes[clip.label]}, {clip.split}{groups}"
    heeded = _heeded(load_importer(guess.format).OPTIONS, options)
    said = [f"{f.name}={value}" for f in fields(heeded) if (value := getattr(heeded, f.name)) is not None]
    words = [f"format={guess.format}", f"source={source}", "name=mine", *said]
    yield f"  python prepare.py {shlex.join(words)}"


def _some(names: tuple[str, ...], shown: int = 4) -> str:
    return ", ".join(names[:shown]) + (" ..." if len(names) > shown else "")


def draw_layout(layout: str, picture: Path) -> str:
    """Draws a layout to a PNG file and says in words what it holds.

    Raises:
        DataError: there is no such layout, or its file describes none.
        ConfigError: the picture cannot be written there.
    """
    from callbacks.pictures import as_png
    from reports.layout_picture import layout_picture
    from storage import atomic

    skeleton = load_layout(layout)
    if picture.suffix.lower() != ".png":
        raise ConfigError(f"{picture.name!r} does not end in .png", where="draw", remedy="As draw=layout.png.")
    if not picture.parent.is_dir():
        raise ConfigError("there is no such folder", where=picture.parent, remedy="Make it, or draw elsewhere.")
    atomic.write_bytes(picture, as_png(layout_picture(skeleton)))
    parts = ", ".join(f"{name} {len(joints)}" for name, joints in skeleton.parts.items())
    return f"{picture}: {skeleton.name}, {skeleton.num_joints} joints, {len(skeleton.bones)} bones, parts: {parts}"
