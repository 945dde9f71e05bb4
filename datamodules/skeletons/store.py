"""The processed clip store: one folder, all frames in one memory-mapped array.

Opening costs milliseconds and no memory; sizes, offsets and the header's checksum are checked.
A batch is one vectorised gather. Splits and groups are columns, one entry a clip, so that cutting a
validation set or a fold never rewrites the frames.
Legend: N frames of all clips, V joints, C coordinates, E extra channels, B clips of a batch, T frames of the longest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from schemas.batches import ClipBatch
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
            twice = next(i for i in sorted(self._ids) if self._ids.count(i) > 1)
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
        for file in self._open.values():
            file.close()


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


class ClipStore:
    """A store opened for reading.

    Raises:
        DataError: when the folder is missing, its header is damaged or a file has not the size that the header says.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.header = self._read_header()
        self.name: str = self.header["name"]
        self.skeleton = Skeleton.from_dict(self.header["skeleton"])
        self.classes = tuple(self.header["classes"])
        self.frames = self._column("frames")
        self.visible = self._column("visible")
        self.extra = self._column("extra") if "extra" in self.header["files"] else None
        self.offsets = self._column("offsets")
        self.labels = self._column("labels")
        self.splits = self._column("splits")
        self.ids = self._column("ids")
        prefix = "group_"
        self.groups = {c.removeprefix(prefix): self._column(c) for c in self.header["files"] if c.startswith(prefix)}
        self._check_columns()

    def __reduce__(self):
        # A memory map pickles as all its bytes; a worker opens the folder instead and shares the pages.
        return ClipStore, (self.folder,)

    def _damaged(self, what: str, file: str = "meta.json") -> DataError:
        return DataError(what, where=self.folder / file, remedy="Import or generate the store again.")

    def _read_header(self) -> dict:
        path = self.folder / "meta.json"
        if not path.is_file():
            raise DataError(
                "there is no clip store here",
                where=self.folder,
                remedy="`python prepare.py format=... source=... name=...` makes one.",
            )
        try:
            header = json.loads(path.read_bytes())
            checksum = header.pop("checksum")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise self._damaged(f"the header cannot be read ({error})") from error
        if fingerprint.of_json(header) != checksum:
            raise self._damaged("the header's checksum does not match")
        if header["format"] != FORMAT:
            raise self._damaged(f"the store has format {header['format']}, this assay reads {FORMAT}")
        return header

    def _column(self, name: str) -> np.ndarray:
        try:
            described = self.header["files"][name]
            dtype, shape = np.dtype(described["dtype"]), tuple(described["shape"])
            # Of a stranger's header: an object dtype would read the file's bytes as pointers.
            if dtype != DTYPES.get(name, dtype) or (name not in DTYPES and dtype.kind != "U") or min(shape) < 0:
                raise TypeError
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(f"the header does not describe {name}.bin") from error
        path, expected = self.folder / f"{name}.bin", dtype.itemsize * int(np.prod(shape))
        size = path.stat().st_size if path.is_file() else -1
        if size != expected:
            found = "it is missing" if size < 0 else f"it has {size:,} bytes"
            raise self._damaged(f"{found}, the header says {expected:,}", path.name)
        return np.memmap(path, dtype=dtype, mode="r", shape=shape)

    def _check_columns(self):
        clips, frames = len(self.labels), len(self.frames)
        per_clip = {"splits": self.splits, "ids": self.ids} | {f"group_{g}": v for g, v in self.groups.items()}
        wrong = [name for name, column in per_clip.items() if column.shape != (clips,)]
        wrong += ["offsets"] if self.offsets.shape != (clips + 1,) else []
        wrong += ["visible"] if self.visible.shape != (frames, self.skeleton.num_joints) else []
        wrong += ["frames"] if self.frames.ndim != 3 or self.frames.shape[1] != self.skeleton.num_joints else []
        wrong += ["extra"] if self.extra is not None and len(self.extra) != frames else []
        if wrong:
            raise self._damaged(f"the shapes of {', '.join(wrong)} do not fit {clips} clips of {frames} frames")
        lengths = np.diff(self.offsets)
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.frames) or (lengths < 1).any():
            raise self._damaged("the offsets do not rise from 0 to the number of frames", "offsets.bin")
        if self.splits.max() >= len(SPLITS):
            raise self._damaged(f"clip {str(self.ids[int(self.splits.argmax())])!r} is in no known split", "splits.bin")
        if len(self) and not (self.labels.min() >= 0 and self.labels.max() < len(self.classes)):
            clip = int(np.argmax((self.labels < 0) | (self.labels >= len(self.classes))))
            raise self._damaged(
                f"clip {str(self.ids[clip])!r} has label {self.labels[clip]} of {len(self.classes)} classes",
                "labels.bin",
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def coordinates(self) -> int:
        """C, the coordinates a joint."""
        return self.frames.shape[2]

    @property
    def extra_channels(self) -> int:
        """E, the channels of a whole frame, 0 where there are none."""
        return 0 if self.extra is None else self.extra.shape[1]

    @property
    def lengths(self) -> np.ndarray:
        """[clips] frames of each clip."""
        return np.diff(self.offsets)

    @property
    def fingerprint(self) -> str:
        """Names the contents: equal stores have equal fingerprints, whatever they are called and wherever they lie."""
        return fingerprint.of_json({key: value for key, value in self.header.items() if key != "name"})

    def rows(self, split: str) -> np.ndarray:
        """The rows of the clips that the source itself puts into `split`."""
        return np.flatnonzero(self.splits == SPLITS.index(split))

    def digests(self, rows: Sequence[int] | np.ndarray) -> list[bytes]:
        """A checksum of each clip's frames: equal where two clips are the same recording, whatever their names say."""
        spans = [slice(self.offsets[row], self.offsets[row + 1]) for row in rows]
        return [hashlib.sha256(self.frames[span].tobytes()).digest() for span in spans]

    def gather(self, rows: Sequence[int] | np.ndarray) -> ClipBatch:
        """[B] rows -> a padded batch, in one vectorised read."""
        rows = np.asarray(rows, dtype=np.int64)
        start, length = self.offsets[rows], self.offsets[rows + 1] - self.offsets[rows]
        real_BT = np.arange(length.max()) < length[:, None]
        frame_BT = np.where(real_BT, start[:, None] + np.arange(length.max()), start[:, None])
        visible = self.visible[frame_BT] & real_BT[..., None]
        joints = self.frames[frame_BT] * visible[..., None]
        extra = None if self.extra is None else torch.from_numpy(self.extra[frame_BT] * real_BT[..., None])
        return ClipBatch(
            joints=torch.from_numpy(joints),
            visible=torch.from_numpy(visible),
            length=torch.from_numpy(np.ascontiguousarray(length)),
            label=torch.from_numpy(self.labels[rows]),
            clip_id=torch.from_numpy(rows),
            extra=extra,
        )

    def verify(self) -> None:
        """Reads every file and compares its checksum; raises DataError naming the first that differs."""
        for column, described in self.header["files"].items():
            if fingerprint.of_file(self.folder / f"{column}.bin") != described["sha256"]:
                raise self._damaged("its contents do not match their checksum", f"{column}.bin")
