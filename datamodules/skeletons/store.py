"""The processed clip store: one folder, all frames in one memory-mapped array.

Opening costs milliseconds and no memory; sizes, offsets and the header's checksum are checked.
A batch is one vectorised gather. Splits and groups are columns, one entry a clip, so that cutting a
validation set or a fold never rewrites the frames.
Legend: N frames of all clips, V joints, C coordinates, E extra channels, B clips of a batch, T frames of the longest.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from datamodules.skeletons.store_writer import DTYPES, FORMAT, SPLITS
from schemas.batches import ClipBatch
from schemas.errors import DataError
from schemas.skeleton import Skeleton
from storage import fingerprint


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
        # As a plain array: the subclass costs more than small reads do.
        return np.memmap(path, dtype=dtype, mode="r", shape=shape).view(np.ndarray)

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
        """[B] rows -> a padded batch, in one vectorised read. Padding is zero, as the writer has left joints unseen."""
        rows = np.asarray(rows, dtype=np.int64)
        start, length = self.offsets[rows], self.offsets[rows + 1] - self.offsets[rows]
        real_BT = np.arange(length.max()) < length[:, None]
        frame_BT = np.where(real_BT, start[:, None] + np.arange(length.max()), start[:, None])
        visible, joints = np.take(self.visible, frame_BT, axis=0), np.take(self.frames, frame_BT, axis=0)
        if not real_BT.all():
            visible[~real_BT], joints[~real_BT] = False, 0
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
