"""Small runs made through the front door, TensorBoard on them, and a browser."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from datamodules.skeletons.store_writer import Clip
from tests.browser.dashboards import Dashboard, chromium
from tests.browser.event_files import Logged, logged_in
from tests.browser.server import tensorboard
from tests.experiment.small_data import (
    CLASSES,
    CLIP_RUN,
    EVENT_RUN,
    changed,
    make_clips,
    make_events,
    write_clips,
    write_events,
)

ROOT = Path(__file__).parents[2]
POINTS = 40
"""Clips in the projector: all of a split."""


def train(*words: str) -> None:
    """`python train.py` with the logger that it comes with."""
    command = [sys.executable, "train.py", *(word for word in words if word != "logger=csv")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def clip_sweep(folder: Path) -> Path:
    """Two jobs, their test splits opened; some labels are wrong, that there are mistakes to be seen."""

    def mistaken(clip: Clip, rng: np.random.Generator) -> dict:
        return {"label": int(rng.integers(CLASSES))} if rng.random() < 0.2 else {}

    store = write_clips(folder / "store", changed(make_clips(200), mistaken))
    words = [f"datamodule.root={store}", "trainer.max_epochs=3", "seed=0,1", "test=true", f"paths.log_dir={folder}"]
    train("-m", *CLIP_RUN, *words, f"callbacks.projector.clips={POINTS}")
    return next((folder / "clips" / "multiruns").iterdir())


def event_run(folder: Path) -> Path:
    """One run, its test split opened."""
    log = write_events(folder / "events.csv", make_events(150))
    train(*EVENT_RUN, f"datamodule.source.path={log}", "trainer.max_epochs=3", f"paths.log_dir={folder}")
    return next((folder / "events" / "runs").iterdir())


@dataclass
class Served:
    """Finished runs, what their event files hold, and the TensorBoard that shows them.

    Attributes:
        logged: TensorBoard's name of a run -> what was logged there.
        models: of these the models' own, without baselines and rows of HParams.
    """

    kind: str
    folder: Path
    logged: dict[str, Logged]
    address: str
    browser: object
    screenshots: Path

    @property
    def models(self) -> dict[str, Logged]:
        return {name: logged for name, logged in self.logged.items() if name.endswith("tensorboard")}


@pytest.fixture(scope="session")
def browser() -> Iterator:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory) -> Path:
    """$ASSAY_SCREENSHOTS, where they are kept, or a temporary folder."""
    folder = Path(os.environ.get("ASSAY_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session", params=[clip_sweep, event_run], ids=lambda make: make.__name__)
def served(request, tmp_path_factory, browser, screenshots) -> Iterator[Served]:
    folder = request.param(tmp_path_factory.mktemp(request.param.__name__))
    with tensorboard(folder) as address:
        yield Served(request.param.__name__, folder, logged_in(folder), address, browser, screenshots)


@pytest.fixture
def opened(served) -> Iterator[Callable[[str], Dashboard]]:
    """Opens a dashboard; at the end of the test, when it has filled, takes its picture and looks for faults."""
    tabs = {}

    def open_tab(name: str) -> Dashboard:
        tabs[name] = Dashboard(served.browser, served.address, name)
        return tabs[name]

    yield open_tab
    for name, tab in tabs.items():
        tab.save(served.screenshots / f"{served.kind}_{name}.png")
        tab.page.close()
        assert not tab.errors
