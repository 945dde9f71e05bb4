"""Throughput by a clock that only fetching, training and validation move."""

import lightning as L
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import SimpleProfiler
from torch.utils.data import DataLoader

import callbacks.throughput
from callbacks.throughput import FetchClock, Throughput
from schemas.batches import ClipBatch, EventBatch

FETCH, TRAIN, VALIDATE = 3.0, 5.0, 1000.0


class Clock:
    now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Told(Logger):
    """Keeps what it is told."""

    name, version = "told", 0

    def __init__(self):
        self.figures: list[tuple[int, dict]] = []

    def log_hyperparams(self, *arguments, **keywords) -> None: ...

    def log_metrics(self, metrics, step=None) -> None:
        if any(name.startswith("speed/") for name in metrics):
            self.figures.append((step, metrics))


class Slow(torch.utils.data.Dataset):
    """Ready batches, each of which takes a while."""

    def __init__(self, clock: Clock, batches: list, seconds: float):
        self.clock, self.batches, self.seconds = clock, batches, seconds

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, place: int):
        self.clock.now += self.seconds
        return self.batches[place]


class Module(BoringModel):
    def __init__(self, clock: Clock, batches: list):
        super().__init__()
        self.clock, self.batches = clock, batches

    def training_step(self, batch, batch_index):
        self.clock.now += TRAIN
        return self.layer.weight.sum()

    def validation_step(self, batch, batch_index):
        self.clock.now += VALIDATE

    def train_dataloader(self):
        return DataLoader(Slow(self.clock, self.batches, FETCH), batch_size=None)

    def val_dataloader(self):
        return DataLoader(Slow(self.clock, self.batches[:1], VALIDATE), batch_size=None)


def clips(number: int) -> ClipBatch:
    label = torch.zeros(number, dtype=torch.int64)
    return ClipBatch(torch.zeros(number, 2, 3, 1), torch.ones(number, 2, 3, dtype=torch.bool), label + 2, label, label)


def events(scored: torch.Tensor) -> EventBatch:
    nothing = torch.zeros(len(scored))
    return EventBatch(nothing, nothing, nothing, nothing, nothing, nothing, nothing, scored, nothing)


def told(monkeypatch, batches: list, **settings) -> list[tuple[int, dict]]:
    clock, logger = Clock(), Told()
    monkeypatch.setattr(callbacks.throughput, "time", clock)
    trainer = L.Trainer(
        max_epochs=2,
        callbacks=[Throughput()],
        logger=settings.pop("logger", logger),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        **settings,
    )
    before = trainer.profiler
    trainer.fit(Module(clock, batches))
    assert trainer.profiler is before
    return logger.figures


@pytest.mark.parametrize(
    ("settings", "steps"),
    [({}, 4), ({"val_check_interval": 1}, 4), ({"accumulate_grad_batches": 2}, 2), ({"profiler": "simple"}, 4)],
    ids=["plain", "validation after every batch", "accumulation", "a profiler of the user's"],
)
def test_clips_a_second_of_the_training_part(settings, steps, monkeypatch):
    figures = told(monkeypatch, [clips(size) for size in (4, 4, 4, 2)], **settings)
    assert [step for step, _ in figures] == [steps - 1, 2 * steps - 1]
    for _, epoch in figures:
        assert epoch == pytest.approx(
            {
                "speed/clips_per_second": 14 / (4 * (FETCH + TRAIN)),
                "speed/steps_per_second": steps / (4 * (FETCH + TRAIN)),
                "speed/waiting_for_data": FETCH / (FETCH + TRAIN),
            }
        )


def test_of_events_those_count_that_are_scored(monkeypatch):
    scored = torch.tensor([[True, False, True], [False, False, True]])
    figures = told(monkeypatch, [events(scored), events(~scored)])
    assert figures[0][1]["speed/events_per_second"] == pytest.approx(6 / (2 * (FETCH + TRAIN)))


def test_without_a_logger_nothing_is_measured(monkeypatch):
    monkeypatch.setattr(callbacks.throughput, "FetchClock", lambda profiler: pytest.fail("measured"))
    assert told(monkeypatch, [clips(2)], logger=False) == []


def test_a_profiler_of_the_users_sees_every_hook():
    profiler = SimpleProfiler()
    with FetchClock(profiler).profile("a hook"):
        pass
    assert list(profiler.recorded_durations) == ["a hook"]
