"""A `.npz` file with all clips end to end in one array: what a program of one's own most easily writes.

`np.savez(FILE, x=..., lengths=..., y=...)`, or savez_compressed. Legend: N clips, T frames of one, V joints,
C coordinates, K classes.
- `x` [sum T, V, C], numbers in C order, C of 2 or 3; a joint with a NaN was not seen;
- `visible` [sum T, V], optional, bools or 0 and 1: False where a joint was not seen;
- `lengths` [N] and `y` [N], whole numbers: the frames of each clip, and its class from 0;
- `split` [N], optional, 0 train, 1 val, 2 test; without it all clips are for training;
- `subject` [N], optional, text or whole numbers: whom a clip is of, never empty, which becomes the group `subject`;
- `class_names` [K], optional text; else "class 0" and so on.
`layout=` says which joints these are. Memory holds the arrays of N entries and the frames of one clip. float64 is
rounded to float32.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from datamodules.skeletons.importers import MEMBER_LIMIT, UNLABELLED, Options, Reading
from datamodules.skeletons.importers.classes import class_names
from datamodules.skeletons.importers.layouts import skeleton_for, skeleton_or
from datamodules.skeletons.importers.npz_arrays import Arrays, Header, open_arrays
from datamodules.skeletons.store_writer import SPLITS, Clip
from schemas.errors import DataError
from schemas.skeleton import Skeleton
from storage import fingerprint

WHERE = "numpy.savez writes it, https://numpy.org/doc/stable/reference/generated/numpy.savez.html."
OPTIONS = ("layout",)
REMEDY = "Write it again as the top of datamodules/skeletons/importers/npz.py says."


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its frames are read when they are asked for."""
    source = Path(source)
    columns, header, names = _arrays(source, ("lengths", "y"))
    _, joints, coordinates = header.shape
    return Reading(
        layout=skeleton_for(source, options, joints, implied={}),
        classes=class_names(source, int(columns["y"].max()) + 1, names),
        total=len(columns["y"]),
        source={"description": "npz file", "sha256": fingerprint.of_file(source)},
        clips=_clips(source, columns),
        importer="npz 1",
        coordinates=coordinates,
    )


def read_unlabelled(source: Path, options: Options, assumed: Skeleton) -> Reading:
    """As `read`, of a file that may have no `y`; one that it has is not used.

    Args:
        assumed: whose joints they are where `layout=` is not given and the number fits.
    """
    columns, header, _ = _arrays(source, ("lengths",))
    columns["y"] = np.zeros(len(columns["lengths"]), np.int64)
    _, joints, coordinates = header.shape
    return Reading(
        layout=skeleton_or(assumed, source, options, joints),
        classes=(UNLABELLED,),
        total=len(columns["lengths"]),
        source={"description": "npz file, unlabelled", "sha256": fingerprint.of_file(source)},
        clips=_clips(source, columns),
        importer="npz 1",
        coordinates=coordinates,
    )


def _arrays(source: Path, needed: tuple[str, ...]) -> tuple[dict[str, np.ndarray], Header, tuple[str, ...] | None]:
    """The arrays with an entry a clip, the header of x, and the class names; raises DataError where they disagree."""
    if not source.is_file():
        raise DataError("there is no such file", where=source, remedy=f"It is a file of your own: {WHERE}")
    with open_arrays(source, REMEDY) as arrays:
        columns = _columns(arrays, needed)
        header = _frames_header(arrays, columns["lengths"])
        names = tuple(arrays.column("class_names", "U").tolist()) if "class_names" in arrays.names else None
    return columns, header, names


def _columns(arrays: Arrays, needed: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays with an entry a clip, checked; those that are there."""
    kinds = {"lengths": "iu", "y": "iu", "split": "iu", "subject": "Uiu"}
    columns = {
        name: arrays.column(name, kind) for name, kind in kinds.items() if name in arrays.names or name in needed
    }
    for name, column in columns.items():
        if len(column) != len(columns["lengths"]):
            raise arrays.fail(name, f"it has {len(column):,} entries for {len(columns['lengths']):,} clips")
    _refuse_empty(arrays, columns.get("subject"))
    for name, least, most in (("lengths", 1, None), ("y", 0, None), ("split", 0, len(SPLITS) - 1)):
        column = columns.get(name, np.array([least]))
        wrong = (column < least) | (column > most if most is not None else False)
        if wrong.any():
            says = f"clip {wrong.argmax()} has {column[wrong.argmax()]}"
            raise arrays.fail(name, f"{says}, it must be {least} {f'to {most}' if most else 'or more'}")
    return columns


def _refuse_empty(arrays: Arrays, subjects: np.ndarray | None) -> None:
    """A group keeps what belongs together in one split; clips of nobody belong to no one."""
    if subjects is None or subjects.dtype.kind != "U":
        return
    empty = np.char.strip(subjects) == ""
    if empty.any():
        raise arrays.fail("subject", f"clip {empty.argmax()} has none; fill it in, or leave the array out")


def _frames_header(arrays: Arrays, lengths: np.ndarray) -> Header:
    """That of x, after a look at whether x, visible and lengths agree."""
    with arrays.open("x", "fiu", dimensions=3) as x:
        header = x.header
    if header.shape[2] not in (2, 3):
        raise arrays.fail("x", f"it has {header.shape[2]} coordinates a joint, 2 or 3 are known")
    if (total := sum(map(int, lengths))) != header.shape[0]:
        raise arrays.fail("lengths", f"they add up to {total:,} frames, x has {header.shape[0]:,}")
    longest = int(lengths.max()) * header.shape[1] * header.shape[2] * header.dtype.itemsize
    if longest > MEMBER_LIMIT:
        raise arrays.fail("lengths", f"clip {lengths.argmax()} has {longest:,} bytes of x, {MEMBER_LIMIT:,} at most")
    if "visible" in arrays.names:
        with arrays.open("visible", "biu", dimensions=2) as visible:
            if visible.header.shape != header.shape[:2]:
                raise visible.fail(f"its shape is {list(visible.header.shape)}, that of x {list(header.shape)}")
    return header


def _clips(source: Path, columns: dict[str, np.ndarray]) -> Iterator[Clip]:
    lengths, total = columns["lengths"], len(columns["lengths"])
    with ExitStack() as stack:
        arrays = stack.enter_context(open_arrays(source, REMEDY))
        x = stack.enter_context(arrays.open("x", "fiu", dimensions=3))
        seen = stack.enter_context(arrays.open("visible", "biu", dimensions=2)) if "visible" in arrays.names else None
        for number, length in enumerate(map(int, lengths)):
            last = number == total - 1
            with np.errstate(over="ignore"):
                frames = x.take(length, last).astype(np.float32)
            visible = ~np.isnan(frames).any(axis=-1)
            if seen:
                visible &= seen.take(length, last) != 0
            yield Clip(
                frames=frames,
                visible=visible,
                label=int(columns["y"][number]),
                id=f"{number:0{len(str(total - 1))}d}",
                split=SPLITS[columns["split"][number]] if "split" in columns else SPLITS[0],
                groups={"subject": str(columns["subject"][number])} if "subject" in columns else {},
            )
