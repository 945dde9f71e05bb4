"""Seeded corruptions of a clip store and of a run's config: each is refused, or what is read is the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from datamodules.skeletons.store import ClipStore
from experiment.resume import stored_config
from experiment.run_folder import RunFolder
from schemas.errors import ConfigError, DataError
from tests.corruptions import EACH, KINDS


def contents(store: ClipStore) -> list[object]:
    columns = (
        store.frames,
        store.visible,
        store.labels,
        store.splits,
        store.offsets,
        store.ids,
        *store.groups.values(),
    )
    return [np.asarray(column).tobytes() for column in columns] + [store.classes, store.skeleton.to_dict()]


@pytest.mark.parametrize("corrupt", KINDS, ids=lambda kind: kind.__name__)
def test_a_corrupted_store_is_refused_or_the_same(corrupt: Callable, make_store):
    """By its sizes, offsets and header when it is opened; by its checksums where `prepare.py verify=NAME` reads all."""
    store = make_store(groups=("subject",))
    expected, files = contents(store), sorted(path for path in store.folder.iterdir() if path.is_file())
    rng, refused = np.random.default_rng(KINDS.index(corrupt)), 0
    for number in range(EACH):
        path = files[number % len(files)]
        whole = path.read_bytes()
        path.write_bytes(corrupt(whole, rng))
        try:
            opened = ClipStore(store.folder)
            opened.verify()
        except DataError as error:
            assert str(store.folder) in str(error)
            refused += 1
        else:
            assert contents(opened) == expected
        path.write_bytes(whole)
    assert refused > EACH // 2


@pytest.fixture
def run_folder(tmp_path) -> Path:
    run = RunFolder(tmp_path / "run")
    config = {
        "model": {"name": "gcn", "sizes": [1, 2, 3]},
        "seed": 0,
        "rate": 1e-3,
        "paths": {"run_dir": str(tmp_path)},
    }
    run.write_config(OmegaConf.create(config), ["seed=0"])
    run.write_status({"state": "failed"})
    run.release()
    return run.path


@pytest.mark.parametrize("corrupt", KINDS, ids=lambda kind: kind.__name__)
def test_a_corrupted_config_of_a_run_is_refused_or_the_same(corrupt: Callable, run_folder):
    path = run_folder / "config.yaml"
    whole, expected, rng = path.read_bytes(), stored_config(run_folder), np.random.default_rng(KINDS.index(corrupt))
    for _ in range(EACH):
        path.write_bytes(corrupt(whole, rng))
        try:
            assert stored_config(run_folder) == expected
        except ConfigError as error:
            assert str(path) in str(error)
