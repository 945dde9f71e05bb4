"""Small clip stores and logs that stand in for every shipped data set."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datamodules.events.timesheets import write_timesheets
from datamodules.skeletons.store import ClipStore
from datamodules.skeletons.store_writer import Clip, new_store
from schemas.skeleton import load_layout

DATA_SETS = {
    # name: (layout, classes, extra channels, groups)
    "signs": ("pose_hands75", 6, 0, ("signer",)),
    "faces": ("face62", 100, 28, ("speaker",)),
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
            split = splits[number // classes % len(splits)]
            phase = np.sin(np.linspace(0, 3, length))[:, None, None]
            frames = base + phase * swing[label] + 0.05 * rng.normal(size=(length, skeleton.num_joints, 3))
            visible = rng.random((length, skeleton.num_joints)) > 0.2
            store.add(
                Clip(
                    frames=frames,
                    label=label,
                    id=f"clip{number:03d}",
                    split=split,
                    visible=visible,
                    extra=rng.normal(size=(length, extra)) if extra else None,
                    groups={group: f"{split} {group}{number % 5}" for group in groups},
                )
            )
    return ClipStore(folder)


LOGS = {
    # file: (columns with two to six values each)
    "bpic2013_incidents": "activity resource team function org_line country impact product org_country",
    "helpdesk": "activity resource customer product workgroup seriousness_2 service_level service_type "
    "responsible_section",
}


def write_log(path: Path, columns: list[str], cases: int = 60) -> None:
    """A log of cases of 1 to 9 events, split by case."""
    rng, rows = np.random.default_rng(0), []
    for case in range(cases):
        moment = 1_400_000_000 + int(rng.integers(0, 10**6))
        for _ in range(int(rng.integers(1, 10))):
            values = [f"{column} {rng.integers(2 + number % 5)}" for number, column in enumerate(columns)]
            split = ("train", "train", "val", "test")[case % 4]
            rows.append([f"case {case}", pd.Timestamp(moment, unit="s").isoformat(), *values, split])
            moment += int(rng.choice([30, 600, 90_000]))
    pd.DataFrame(rows, columns=["case", "time", *columns, "split"]).to_csv(path, index=False)


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
    for name, columns in LOGS.items():
        write_log(folder / f"{name}.csv.gz", columns.split())
    write_timesheets(folder / "timesheets", seed=0, employees=30, weeks=2)
    return folder


@pytest.fixture
def door(capsys, monkeypatch) -> Callable[[Callable], Callable]:
    """From a front door's `main` to a call of it: words in; exit code, output and errors out."""
    monkeypatch.setenv("COLUMNS", "200")

    def of(main: Callable[[list[str]], int]) -> Callable[..., tuple[int, str, str]]:
        def run(*words: object) -> tuple[int, str, str]:
            try:
                code = main([str(word) for word in words])
            except SystemExit as end:
                code = end.code
            printed = capsys.readouterr()
            return code, printed.out, printed.err

        return run

    return of
