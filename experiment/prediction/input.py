"""Clips that are to be predicted, batch by batch: of a processed store, or of anything that an importer reads.

Nothing is written on the way, and memory holds one batch. Legend: B clips, T frames, V joints, C coordinates.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from datamodules.skeletons.importers import load_importer
from datamodules.skeletons.store import ClipStore
from datamodules.skeletons.store_writer import Clip
from experiment.prediction.request import Request
from schemas.batches import ClipBatch
from schemas.errors import ConfigError, DataError
from schemas.skeleton import Skeleton, load_layout
from storage import fingerprint

FORMAT_OF = {".npy": "npy_folder", ".npz": "npz", ".pkl": "pyskl", ".skeleton": "ntu", ".ts": "uea", ".pose": "pose"}
"""The format that a file's ending tells, of the file itself or of all files of a folder that have one of these."""
Batches = Iterator[tuple[Sequence[str], ClipBatch]]
"""The names of a batch's clips, and the batch."""


@dataclass(frozen=True)
class ClipInput:
    """Clips that were found to be of the run's layout, still to be read."""

    fingerprint: str
    """Checksum of their contents."""
    total: int
    coordinates: int
    extra: int
    """Channels of a whole frame."""
    batches: Callable[[int, int], Batches]
    """From the number of the first clip and the size of a batch; to be called once."""
    notes: list[str] = field(default_factory=list)


def open_clips(request: Request, own: Skeleton) -> ClipInput:
    """The clips of `request.input`.

    Args:
        own: the run's layout, whose joints these must be, name by name.

    Raises:
        ConfigError: the format cannot be told, or an option has no meaning for it.
        DataError: the input cannot be read, or is of other joints.
    """
    if request.format is None and (request.input / "meta.json").is_file():
        _refuse_options(request, "a processed store", ())
        store = ClipStore(request.input)
        _refuse_other_joints(own, store.skeleton, request.input)
        extra = store.extra_channels
        return ClipInput(store.fingerprint, len(store), store.coordinates, extra, lambda *at: _of_store(store, *at))
    return _open_import(request, request.format or _guessed(request.input), own)


def _open_import(request: Request, name: str, own: Skeleton) -> ClipInput:
    importer, notes = load_importer(name), []
    unlabelled = getattr(importer, "read_unlabelled", None)
    heeded = [option for option in importer.OPTIONS if not (unlabelled and option == "labels")]
    _refuse_options(request, name, heeded)
    if unlabelled is None:
        reading = importer.read(request.input, request.options)
    else:
        reading = unlabelled(request.input, request.options, own)
        if reading.layout is own:  # as assumed; some formats say it themselves
            notes.append(f"{name} does not say which joints these are; they are taken for the run's, {own.name}")
    given = load_layout(reading.layout) if isinstance(reading.layout, str) else reading.layout
    _refuse_other_joints(own, given, request.input)
    notes += [f"not read, {why}: {count:,}" for why, count in reading.skipped.items()]

    def batches(first: int, size: int) -> Batches:
        clips = islice(reading.clips, first, None)
        while chunk := list(islice(clips, size)):
            yield [clip.id for clip in chunk], _padded(chunk, own, reading.coordinates, request.input)

    checksum = fingerprint.of_json([reading.importer, reading.source["sha256"]])
    return ClipInput(checksum, reading.total, reading.coordinates, 0, batches, notes)


def _refuse_options(request: Request, name: str, heeded: Sequence[str]) -> None:
    given = request.given & {"layout", "labels", "split", "persons"}
    if unused := sorted(given - {*heeded}):
        heeds = f"It heeds {', '.join(heeded)}." if heeded else "It heeds none."
        raise ConfigError(f"{', '.join(unused)} has no meaning for {name}", where=request.input, remedy=heeds)


def _guessed(source: Path) -> str:
    """The format by the ending of the file, or of those that a folder holds."""
    files = (path for path in source.rglob("*") if path.is_file()) if source.is_dir() else iter((source,))
    found = {FORMAT_OF[path.suffix.lower()] for path in files if path.suffix.lower() in FORMAT_OF}
    if found == {"pyskl"} and source.is_dir():
        return "openhands"  # a clip a file; of pyskl one file has them all
    if len(found) == 1:
        return found.pop()
    what = f"it may be {' or '.join(sorted(found))}" if found else "its names do not tell its format"
    remedy = "Give format=NAME; `python prepare.py inspect=SOURCE` says what it may be."
    raise ConfigError(what, where=source, remedy=remedy)


def _refuse_other_joints(own: Skeleton, given: Skeleton, where: Path) -> None:
    if own.joints == given.joints:
        return
    remedy = "Give clips of the run's own layout, or name theirs with layout=."
    what = f"its clips are of {given.name}, {given.num_joints} joints; the run was trained on {own.name}"
    if own.num_joints != given.num_joints:
        raise DataError(f"{what}, {own.num_joints} joints", where=where, remedy=remedy)
    place = next(i for i, (a, b) in enumerate(zip(own.joints, given.joints, strict=True)) if a != b)
    what += f", whose joint {place} is {own.joints[place]!r} and not {given.joints[place]!r}"
    raise DataError(what, where=where, remedy=remedy)


def _of_store(store: ClipStore, first: int, size: int) -> Batches:
    for begin in range(first, len(store), size):
        rows = np.arange(begin, min(begin + size, len(store)))
        yield store.ids[rows].tolist(), store.gather(rows)


def _padded(clips: list[Clip], skeleton: Skeleton, coordinates: int, source: Path) -> ClipBatch:
    """Clips of an importer as `ClipStore.gather` would give them; raises DataError naming one that is unusable."""
    length = [len(clip.frames) for clip in clips]
    shape = (len(clips), max(length), skeleton.num_joints)
    joints, visible = np.zeros((*shape, coordinates), np.float32), np.zeros(shape, bool)
    for row, clip in enumerate(clips):
        frames = np.asarray(clip.frames, np.float32)
        if not len(frames) or frames.shape[1:] != joints.shape[2:]:
            what = f"its shape is {list(frames.shape)}, it must be {['T', *joints.shape[2:]]} with T of 1 or more"
            raise DataError(what, where=f"{source}, clip {clip.id!r}")
        seen = np.ones(frames.shape[:2], bool) if clip.visible is None else clip.visible
        frames = np.where(seen[..., None], frames, np.float32(0))
        if not np.isfinite(frames).all():
            what = "a joint that was seen is not a finite number"
            raise DataError(what, where=f"{source}, clip {clip.id!r}", remedy="Mend or leave out this clip.")
        joints[row, : len(frames)], visible[row, : len(frames)] = frames, seen
    return ClipBatch(
        joints=torch.from_numpy(joints),
        visible=torch.from_numpy(visible),
        length=torch.tensor(length),
        label=torch.zeros(len(clips), dtype=torch.int64),
        clip_id=torch.arange(len(clips)),
    )
