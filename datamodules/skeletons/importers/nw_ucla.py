"""Northwestern-UCLA Multiview Action 3D: Kinect v1 bodies of 10 subjects, 10 actions, 3 cameras.

Paper: Wang et al., "Cross-view Action Modeling, Learning and Recognition", CVPR 2014.
Source: one JSON a clip, `{"file_name", "skeletons": [T][20][3]}`, metres, y up, named `aXX_sXX_eXX_vXX`
(action, subject, repetition, camera), in a zip file or a folder. Split: the published cross-view one, cameras
1 and 2 train, camera 3 tests; there is no official validation set.

A joint at exactly (0, 0, 0) would lie inside the camera's lens: Kinect writes that for a joint it lost, so it
counts as not seen (12 joints in 2 of the 1,484 clips).
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datamodules.skeletons.importers import MemberReader, Members, Options, Reading
from datamodules.skeletons.store_writer import Clip
from schemas.errors import DataError

WHERE = (
    "Northwestern-UCLA Multiview Action 3D, https://wangjiangb.github.io/my_data.html; "
    "as JSON files (all_sqe) through https://github.com/Uason-Chen/CTR-GCN."
)
JOINTS = 20
ACTIONS = {
    "01": "pick up with one hand",
    "02": "pick up with two hands",
    "03": "drop trash",
    "04": "walk around",
    "05": "sit down",
    "06": "stand up",
    "08": "donning",
    "09": "doffing",
    "11": "throw",
    "12": "carry",
}
OPTIONS = ()
SPLIT_OF_CAMERA = {"01": "train", "02": "train", "03": "test"}
_NAME = re.compile(r"(?:^|/)(a(\d\d)_s(\d\d)_e(\d\d)_v(\d\d))\.json$")


def read(source: Path, options: Options) -> Reading:
    """Checks what `source` is; its clips are read when they are asked for."""
    members = Members(source, _NAME.pattern, WHERE)
    names = sorted(members.names, key=lambda name: _NAME.search(name)[1])
    return Reading(
        layout="kinect20",
        classes=tuple(ACTIONS.values()),
        total=len(names),
        source={"description": "Northwestern-UCLA, cross-view split", "sha256": members.sha256()},
        clips=_clips(members, names),
        importer="nw_ucla 1",
        skipped={"not named aXX_sXX_eXX_vXX.json": members.others} if members.others else {},
    )


def _clips(members: Members, names: list[str]) -> Iterator[Clip]:
    with members.reader() as reader:
        for name in names:
            clip_id, action, subject, repetition, camera = _NAME.search(name).groups()
            if action not in ACTIONS or camera not in SPLIT_OF_CAMERA:
                raise DataError(
                    f"its name says action {action} and camera {camera}; the data set has the actions "
                    f"{', '.join(ACTIONS)} and the cameras {', '.join(SPLIT_OF_CAMERA)}",
                    where=reader.where(name),
                    remedy="Rename or remove this file.",
                )
            frames = _frames(reader, name)
            yield Clip(
                frames=frames,
                visible=(frames != 0).any(axis=-1),
                label=list(ACTIONS).index(action),
                id=clip_id,
                split=SPLIT_OF_CAMERA[camera],
                groups={"subject": subject, "camera": camera, "repetition": repetition},
            )


def _frames(reader: MemberReader, name: str) -> np.ndarray:
    """[T, 20, 3] metres."""
    remedy = f"Restore this file from a sound copy: {WHERE}"
    try:
        with np.errstate(over="ignore"):
            frames = np.asarray(json.loads(reader.read(name))["skeletons"], dtype=np.float32)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        what = f"it is not JSON with `skeletons`: [T][{JOINTS}][3] numbers ({type(error).__name__}: {error!s:.200})"
        raise DataError(what, where=reader.where(name), remedy=remedy) from error
    if frames.ndim != 3 or len(frames) == 0 or frames.shape[1:] != (JOINTS, 3):
        what = f"its skeletons have the shape {list(frames.shape)}, they must be [T, {JOINTS}, 3] with T at least 1"
        raise DataError(what, where=reader.where(name), remedy=remedy)
    if not np.isfinite(frames).all():
        frame, joint = np.argwhere(~np.isfinite(frames))[0, :2]
        what = f"frame {frame}, joint {joint} is not a finite number"
        raise DataError(what, where=reader.where(name), remedy=remedy)
    return frames
