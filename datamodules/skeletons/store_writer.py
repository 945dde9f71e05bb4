"""Writing a clip store: each clip is checked, and the store appears whole or not at all.

`store.py` says what a store is and reads it. Legend: T frames, V joints, C coordinates, E extra channels.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from schemas.errors import DataError
from schemas.skeleton import Skeleton
from storage import atomic, fingerprint

FORMAT = 1
SPLITS = ("train", "val", "test")
DTYPES = {"frames": "<f4", "visible": "|b1", "extra": "<f4", "offsets": "<i8", "labels": "<i8", "splits": "|u1"}
"""What the columns hold; `ids` and the groups are text."""


@dataclass
class Clip:
    """One clip on its way into a store."""

    frames: np.ndarray
    """[T, V, C] coordinates; whatever stands where `visible` is False is dropped."""
    label: int
    id: str
    split: str = "train"
    visible: np.ndarray | None = None
    """[T, V] bool; None says that every joint was seen."""
    extra: np.ndarray | None = None
    """[T, E] channels of the whole frame."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Whom or where the clip is of: signer, subject, camera ..."""


class StoreWriter:
    """Appends clips to the files of a store that is being written; see `new_store`."""

    def __init__(
        self, folder: Path, name: str, skeleton: Skeleton, classes: Sequence[str], coordinates: int, extra: int
    ):
        self.name, self.skeleton, self.classes = name, skeleton, tuple(classes)
        self.coordinates, self.extra = coordinates, extra
        self._folder = folder
        self._row_shapes = {
            "frames": (DTYPES["frames"], [skeleton.num_joints, coordinates]),
            "visible": (DTYPES["visible"], [skeleton.num_joints]),
        }
        if extra:
            self._row_shapes["extra"] = (DTYPES["extra"], [extra])
        self._open = {column: (folder / f"{column}.bin").open("wb") for column in self._row_shapes}
        self._digest = {column: hashlib.sha256() for column in self._row_shapes}
        self._offsets, self._labels, self._splits, self._ids = [0], [], [], []
        self._groups: dict[str, list[str]] = {}

    def add(self, clip: Clip) -> None:
        """Checks and appends one clip.

        Raises:
            DataError: naming the clip, when its shape, label, split, groups or a visible coordinate is unusable.
        """
        frames, visible, extra = self._checked(clip)
        columns = {"frames": frames, "visible": visible} | ({"extra": extra} if self.extra else {})
        for column, values in columns.items():
            raw = np.ascontiguousarray(values, dtype=self._row_shapes[column][0]).tobytes()
            self._open[column].write(raw)
            self._digest[column].update(raw)
        self._offsets.append(self._offsets[-1] + len(frames))
        self._labels.append(clip.label)
        self._splits.append(SPLITS.index(clip.split))
        self._ids.append(clip.id)
        for group, value in clip.groups.items():
            self._groups.setdefault(group, []).append(str(value))

    def _checked(self, clip: Clip) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        def fail(what: str, remedy: str = "Mend or leave out this clip, then import again."):
            raise DataError(what, where=f"{self.name}, clip {clip.id!r}", remedy=remedy)

        frames = np.asarray(clip.frames, dtype=np.float32)
        expected = (self.skeleton.num_joints, self.coordinates)
        if frames.ndim != 3 or frames.shape[1:] != expected:
            fail(
                f"its frames have shape {frames.shape}, layout {self.skeleton.name!r} needs "
                f"[T, {expected[0]} joints, {expected[1]} coordinates]",
                "Choose the layout that the data was recorded with.",
            )
        if len(frames) == 0:
            fail("it has no frames")
        visible = (
            np.ones(frames.shape[:2], dtype=bool) if clip.visible is None else np.asarray(clip.visible, dtype=bool)
        )
        if visible.shape != frames.shape[:2]:
            fail(f"visible has shape {visible.shape}, its frames {frames.shape[:2]}")
        frames = np.where(visible[..., None], frames, np.float32(0))
        if not np.isfinite(frames).all():
            frame, joint = np.argwhere(~np.isfinite(frames))[0, :2]
            fail(
                f"frame {frame}, joint {self.skeleton.joints[joint]!r} is not a finite number",
                "Mark joints that were not seen as not visible; a NaN that counts as seen is refused.",
            )
        if not 0 <= clip.label < len(self.classes):
            fail(f"its label {clip.label} is outside 0 to {len(self.classes) - 1}")
        if clip.split not in SPLITS:
            fail(f"its split {clip.split!r} is none of {', '.join(SPLITS)}")
        if self._ids and set(clip.groups) != set(self._groups):
            fail(f"it has groups {sorted(clip.groups)}, the clips before it {sorted(self._groups)}")
        extra = None if clip.extra is None else np.asarray(clip.extra, dtype=np.float32)
        if (extra is not None or self.extra) and np.shape(extra) != (len(frames), self.extra):
            fail(f"its extra channels do not have the shape [{len(frames)}, {self.extra}]")
        if extra is not None and not np.isfinite(extra).all():
            fail("an extra channel is not a finite number")
        return frames, visible, extra

    def finish(self, source: Mapping, importer: str) -> None:
        """Writes the columns and the header; a store without a header is no store."""
        if not self._ids:
            raise DataError("there is no clip to store", where=self.name, remedy="Check the source folder or file.")
        if len(set(self._ids)) != len(self._ids):
            twice = Counter(self._ids).most_common(1)[0][0]
            raise DataError(
                "two clips have this id", where=f"{self.name}, clip {twice!r}", remedy="Ids must be unique."
            )
        for file in self._open.values():
            file.close()
        files = {
            column: {"dtype": dtype, "shape": [self._offsets[-1], *shape], "sha256": self._digest[column].hexdigest()}
            for column, (dtype, shape) in self._row_shapes.items()
        }
        columns = {
            "offsets": np.asarray(self._offsets, dtype="<i8"),
            "labels": np.asarray(self._labels, dtype="<i8"),
            "splits": np.asarray(self._splits, dtype="|u1"),
            "ids": np.asarray(self._ids, dtype=np.str_),
        } | {f"group_{group}": np.asarray(values, dtype=np.str_) for group, values in self._groups.items()}
        for column, values in columns.items():
            raw = values.tobytes()
            (self._folder / f"{column}.bin").write_bytes(raw)
            files[column] = {
                "dtype": values.dtype.str,
                "shape": list(values.shape),
                "sha256": hashlib.sha256(raw).hexdigest(),
            }
        header = {
            "format": FORMAT,
            "name": self.name,
            "skeleton": self.skeleton.to_dict(),
            "classes": list(self.classes),
            "source": dict(source),
            "importer": importer,
            "files": files,
        }
        header["checksum"] = fingerprint.of_json(header)
        (self._folder / "meta.json").write_text(json.dumps(header, indent=1))

    def close(self) -> None:
        """Closes all files, also where a full disk lets one of them fail."""
        with ExitStack() as stack:
            for file in self._open.values():
                stack.callback(file.close)


@contextmanager
def new_store(
    target: Path,
    skeleton: Skeleton,
    classes: Sequence[str],
    *,
    source: Mapping,
    importer: str,
    coordinates: int = 3,
    extra: int = 0,
):
    """Yields a StoreWriter; the store appears under `target` when the block ends well, or not at all.

    Args:
        source: plain facts on where the clips come from (a description, a checksum), kept in the header.
        importer: name and version of what reads or generates the clips, kept in the header.
    """
    with atomic.new_folder(target) as folder:
        writer = StoreWriter(folder, Path(target).name, skeleton, classes, coordinates, extra)
        try:
            yield writer
            writer.finish(source, importer)
        finally:
            writer.close()
