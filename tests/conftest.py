"""Small clip stores that stand in for every shipped data set."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datamodules.skeletons.store import ClipStore
from datamodules.skeletons.store_writer import Clip, new_store
from schemas.skeleton import load_layout

DATA_SETS = {
    # name: (layout, classes, extra channels, groups)
    "signs": ("pose_hands75", 6, 0, ("signer",)),
    "faces": ("face62", 100, 28, ("signer",)),
    "nw_ucla": ("kinect20", 4, 0, ("subject", "camera")),
    "wlasl100": ("hands42", 5, 0, ()),
    "natops": ("natops8", 3, 0, ()),
}


def write_store(
    folder: Path,
    layout: str = "kinect20",
    classes: int = 4,
    extra: int = 0,
    groups: tuple[str, ...] = (),
    clips: int = 40,
    splits: tuple[str, ...] | None = None,
    source: dict | None = None,
) -> ClipStore:
    """Short clips whose class shows in how the joints swing; a fifth of the joints is hidden."""
    rng = np.random.default_rng(0)
    skeleton = load_layout(layout)
    base = rng.normal(size=(skeleton.num_joints, 3))
    swing = rng.normal(size=(classes, skeleton.num_joints, 3))
    splits = splits or (("train", "train", "val", "test") if groups else ("train", "train", "test"))
    names = [f"class_{number}" for number in range(classes)]
    with new_store(
        folder,
        skeleton,
        names,
        source={"made": "for tests", "version": 1, "seed": 0} | (source or {}),
        importer="tests",
        extra=extra,
    ) as store:
        for number in range(max(clips, 4 * classes)):
            label, length = number % classes, int(rng.integers(4, 9))
            phase = np.sin(np.linspace(0, 3, length))[:, None, None]
            frames = base + phase * swing[label] + 0.05 * rng.normal(size=(length, skeleton.num_joints, 3))
            visible = rng.random((length, skeleton.num_joints)) > 0.2
            store.add(
                Clip(
                    frames=frames,
                    label=label,
                    id=f"clip{number:03d}",
                    split=splits[number // classes % len(splits)],
                    visible=visible,
                    extra=rng.normal(size=(length, extra)) if extra else None,
                    groups={group: f"{group}{number % 5}" for group in groups},
                )
            )
    return ClipStore(folder)


@pytest.fixture
def make_store(tmp_path) -> Callable[..., ClipStore]:
    """write_store into a folder of the test's own."""
    return lambda name="store", **settings: write_store(tmp_path / name, **settings)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> Path:
    """A folder with a small store under the name of every shipped data set."""
    folder = tmp_path_factory.mktemp("processed")
    for name, (layout, classes, extra, groups) in DATA_SETS.items():
        write_store(folder / name, layout, classes, extra, groups)
    return folder
