"""Two small runs, and whether they are the same to the bit, but for the seconds that they took."""

import csv
from pathlib import Path

import torch

from experiment.run_folder import RunFolder
from tests.experiment.small_data import CLIP_RUN, EVENT_RUN, make_clips, make_events, write_clips, write_events


def write_data(folder: Path) -> Path:
    """Clips and events for `words_of`."""
    write_clips(folder / "clips", make_clips(150))
    write_events(folder / "log.csv", make_events(80))
    return folder


def words_of(task: str, data: Path, folder: Path, *more: str) -> list[str]:
    own = [*CLIP_RUN, f"datamodule.root={data / 'clips'}"]
    if task == "events":
        own = [*EVENT_RUN, f"datamodule.source.path={data / 'log.csv'}"]
    return [*own, f"paths.log_dir={folder}", "trainer.max_epochs=5", *more]


def tensors(value: object, path: str = "") -> dict[str, torch.Tensor]:
    """Every tensor and number of a checkpoint's weights and optimizers."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in tensors(inner, f"{path}/{key}").items()}
    if isinstance(value, (list, tuple)):
        return {k: v for key, inner in enumerate(value) for k, v in tensors(inner, f"{path}/{key}").items()}
    return {path: torch.as_tensor(value)} if isinstance(value, (torch.Tensor, int, float)) else {}


def state(folder: Path, name: str = "last") -> dict[str, torch.Tensor]:
    checkpoint = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
    return tensors({key: checkpoint[key] for key in ("state_dict", "optimizer_states", "lr_schedulers", "loops")})


def conclusion(folder: Path) -> dict:
    """What was found, judged and measured."""
    status = RunFolder.read_status(folder)
    for row in ("best", "last"):
        status["result"][row].pop("seconds")
    return {name: status[name] for name in ("epoch", "findings", "verdict", "result")}


def assert_same(one: Path, other: Path) -> None:
    for name in ("last", "best"):
        first, second = state(one, name), state(other, name)
        assert first.keys() == second.keys()
        differing = [key for key in first if not torch.equal(first[key], second[key])]
        assert not differing, differing[:9]
    rows = [list(csv.DictReader((folder / "metrics.csv").open())) for folder in (one, other)]
    for row in (*rows[0], *rows[1]):
        row.pop("seconds")
    assert rows[0] == rows[1]
    assert conclusion(one) == conclusion(other)
