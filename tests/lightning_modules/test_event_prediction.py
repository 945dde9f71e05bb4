"""Loss, names and figures of event prediction, under a real Trainer, against plain averages over the targets."""

import csv
from dataclasses import replace

import lightning as L
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.nn.functional import cross_entropy

from callbacks.epoch_history import EpochHistory
from lightning_modules.event_prediction import EventPrediction
from lightning_modules.schedules import Schedule, constant
from schemas.batches import EventBatch, EventOutput
from schemas.errors import ConfigError

FIELDS, V = ("gap", "carrier", "dest"), 8
T, D = 6, len(FIELDS)


class Unigram(nn.Module):
    """A distribution a field, whatever came before."""

    def __init__(self):
        super().__init__()
        self.logits_DV = nn.Parameter(torch.randn(D, V, generator=torch.Generator().manual_seed(5)))

    def forward(self, batch: EventBatch):
        # A product, so that autocast has something to lower.
        logits_DV = (self.logits_DV @ torch.eye(V)).float()
        target_BTD = batch.target[:, 1:]
        nll_BTD = -logits_DV.log_softmax(-1)[torch.arange(D), target_BTD]
        return torch.where(batch.scored[..., None], nll_BTD, 0.0)

    def evaluate(self, batch: EventBatch) -> EventOutput:
        nll_BTD, confidence_D = self(batch), self.logits_DV.softmax(-1).amax(-1)
        scored_BTD = batch.scored[..., None].expand_as(nll_BTD)
        hit_BTD = (batch.target[:, 1:] == self.logits_DV.argmax(-1)) & scored_BTD
        return EventOutput(nll_BTD, hit_BTD, hit_BTD, confidence_D * scored_BTD, batch.scored, batch.sequence_id)


class Batches(L.LightningDataModule):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def train_dataloader(self):
        return torch.utils.data.DataLoader(self.batches, batch_size=None)

    val_dataloader = test_dataloader = train_dataloader


def windows(size: int, scored: float, seed: int) -> EventBatch:
    generator = torch.Generator().manual_seed(seed)
    nothing = torch.zeros(size, 1, 0)
    return EventBatch(
        source=nothing[..., None, None].int(),
        source_age=nothing[..., None],
        source_length=nothing.long(),
        stream=torch.zeros(0, dtype=torch.long),
        target=torch.randint(0, 3, (size, T + 1, D), generator=generator),
        target_gap=torch.zeros(size, T + 1),
        target_length=torch.full((size,), T + 1),
        scored=torch.rand(size, T, generator=generator) < scored,
        sequence_id=torch.arange(size),
    )


@pytest.fixture
def uneven() -> list[EventBatch]:
    """Batches that differ in their number of scored targets, one of which has none."""
    return [windows(4, 0.9, 0), windows(2, 0.2, 1), windows(4, 0.0, 2), windows(4, 0.5, 3), windows(1, 1.0, 4)]


def prediction(lr: float = 0.0, chained: bool = False, **loss_weights: float) -> EventPrediction:
    return EventPrediction(
        net=Unigram(),
        field_names=FIELDS,
        chained=chained,
        loss_weights=loss_weights,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=lr),
        schedule=Schedule(constant, "epoch", None, "auto"),
        lr_scale={},
    )


def fit(module, batches, **settings) -> list[dict[str, float]]:
    """The rows of EpochHistory: what a run's metrics.csv and checkpoints hold."""
    settings = {"max_epochs": 2, "num_sanity_val_steps": 0, "logger": False, "callbacks": []} | settings
    history = EpochHistory(None)
    trainer = L.Trainer(
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings | {"callbacks": [history, *settings["callbacks"]]},
    )
    trainer.fit(module, datamodule=Batches(batches))
    return history.rows


def mean_nll(batches: list[EventBatch]) -> dict[str, float]:
    """Of every field, over all scored targets alike."""
    logits_DV = Unigram().logits_DV.detach()
    target_ND = torch.cat([batch.target[:, 1:][batch.scored] for batch in batches])
    return {
        field: float(cross_entropy(logits_DV[number].expand(len(target_ND), V), target_ND[:, number]))
        for number, field in enumerate(FIELDS)
    }


@pytest.mark.parametrize("validated", [True, False])
def test_training_losses_are_named_in_their_own_epochs_row(uneven, validated):
    epochs = fit(prediction(), uneven, accumulate_grad_batches=2, limit_val_batches=1.0 if validated else 0)
    expected = mean_nll(uneven)
    assert len(epochs) == 2
    for row in epochs:
        assert {name for name in row if name.startswith("train/")} == {
            "train/loss",
            "train/objective",
            *(f"train/ce/{field}" for field in FIELDS),
        }
        assert {field: row[f"train/ce/{field}"] for field in FIELDS} == pytest.approx(expected, rel=1e-5)
        assert row["train/loss"] == pytest.approx(sum(expected.values()) / D, rel=1e-5)
        assert ("val/loss" in row) == validated


@pytest.mark.parametrize("ends", ["max_steps", "limit_train_batches", "stopped in validation"])
def test_an_epoch_that_ends_early_has_its_losses_too(uneven, ends):
    class StopInValidation(L.Callback):
        def on_validation_end(self, trainer, pl_module):
            trainer.should_stop = True

    settings = {
        "max_steps": {"max_steps": 4, "max_epochs": -1},
        "limit_train_batches": {"limit_train_batches": 4, "max_epochs": 1},
        "stopped in validation": {"val_check_interval": 4, "callbacks": [StopInValidation()]},
    }
    (row,) = fit(prediction(), uneven, **settings[ends])
    assert {field: row[f"train/ce/{field}"] for field in FIELDS} == pytest.approx(mean_nll(uneven[:4]), rel=1e-5)


def test_the_logger_gets_every_name_once_an_epoch(uneven, tmp_path):
    logger = CSVLogger(tmp_path, name="", version="")
    fit(prediction(), uneven, logger=logger, log_every_n_steps=1)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name in ("train/loss", "train/ce/gap", "val/joint_nll", "val/calibration_error/dest"):
        assert sum(bool(row[name]) for row in rows) == 2


@pytest.mark.parametrize("sanity_steps", [0, 2])
def test_validation_figures_are_of_one_whole_epoch(uneven, sanity_steps):
    epochs = fit(prediction(), uneven, num_sanity_val_steps=sanity_steps)
    expected, likeliest = mean_nll(uneven), Unigram().logits_DV.argmax(-1)
    target_ND = torch.cat([batch.target[:, 1:][batch.scored] for batch in uneven])
    accuracy_D = (target_ND == likeliest).float().mean(0)
    for row in epochs:
        assert {field: row[f"val/ce/{field}"] for field in FIELDS} == pytest.approx(expected, rel=1e-5)
        assert row["val/joint_nll"] == pytest.approx(sum(expected.values()), rel=1e-5)
        assert row["val/loss"] == pytest.approx(row["train/loss"], rel=1e-5)
        assert [row[f"val/accuracy/{field}"] for field in FIELDS] == pytest.approx(accuracy_D.tolist(), abs=1e-6)


def test_test_figures_are_those_of_validation(uneven):
    module = prediction()
    trainer = L.Trainer(logger=False, enable_progress_bar=False, accelerator="cpu")
    (validated,) = trainer.validate(module, datamodule=Batches(uneven), verbose=False)
    (tested,) = trainer.test(module, datamodule=Batches(uneven), verbose=False)
    assert {name.replace("val/", "test/"): value for name, value in validated.items()} == tested


def test_chained_figures_of_a_field_are_named_so(uneven):
    row = fit(prediction(chained=True), uneven)[-1]
    a_field = [name for name in row if name.count("/") == 2]
    assert len(a_field) == D * 5
    assert all(name.split("/")[1].endswith("_given_earlier") for name in a_field)


def test_weights_are_in_the_objective_only(uneven):
    row = fit(prediction(gap=4.0, dest=0.0), uneven)[-1]
    expected = mean_nll(uneven)
    assert row["train/objective"] == pytest.approx((4 * expected["gap"] + expected["carrier"]) / 5, rel=1e-5)
    assert row["train/loss"] == pytest.approx(sum(expected.values()) / D, rel=1e-5)
    module = prediction(gap=4.0, dest=0.0)
    module.log = lambda *arguments, **keywords: None
    loss = module.training_step(uneven[0], 0)
    in_batch = mean_nll(uneven[:1])
    assert float(loss.detach()) == pytest.approx((4 * in_batch["gap"] + in_batch["carrier"]) / 5, rel=1e-5)
    loss.backward()
    assert not module.net.logits_DV.grad[FIELDS.index("dest")].any()


def test_a_batch_with_nothing_scored_teaches_nothing(uneven):
    module = prediction()
    module.log = lambda *arguments, **keywords: None
    loss = module.training_step(uneven[2], 0)
    loss.backward()
    assert loss.detach() == 0
    assert not module.net.logits_DV.grad.any()


@pytest.mark.parametrize("weights, said", [({"delay": 2.0}, "gap, carrier, dest"), ({"gap": -1.0}, "negative")])
def test_weights_that_mean_nothing_are_refused(weights, said):
    with pytest.raises(ConfigError, match=said):
        prediction(**weights)


def test_accumulated_batches_step_as_their_union():
    whole = windows(8, 1.0, 0)
    tensors = {name: value for name, value in vars(whole).items() if name != "stream"}
    halves = [replace(whole, **{name: value[at : at + 4] for name, value in tensors.items()}) for at in (0, 4)]
    once, accumulated = prediction(lr=1.0), prediction(lr=1.0)
    fit(once, [whole], max_epochs=1)
    fit(accumulated, halves, max_epochs=1, accumulate_grad_batches=2)
    assert (once.net.logits_DV - Unigram().logits_DV).abs().max() > 0.01
    torch.testing.assert_close(accumulated.net.logits_DV, once.net.logits_DV)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_it_learns_in_every_precision(uneven, precision):
    first, last = fit(prediction(lr=5.0), uneven, accumulate_grad_batches=2, precision=precision)
    assert last["train/loss"] < first["train/loss"] - 0.1
    assert last["val/loss"] < first["val/loss"] - 0.1


def test_a_module_can_be_trained_again_after_an_interruption(uneven):
    class Interrupt(L.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if batch_idx == 1:
                raise RuntimeError("interrupted")

    module = prediction()
    with pytest.raises(RuntimeError, match="interrupted"):
        fit(module, uneven, callbacks=[Interrupt()])
    row = fit(module, uneven)[0]
    assert {field: row[f"train/ce/{field}"] for field in FIELDS} == pytest.approx(mean_nll(uneven), rel=1e-5)


def test_evaluation_returns_what_the_net_says(uneven):
    output = prediction().test_step(uneven[0], 0)
    expected = Unigram().evaluate(uneven[0])
    for name, value in vars(expected).items():
        torch.testing.assert_close(getattr(output, name), value)


def test_only_the_net_is_in_the_state_dict():
    assert set(prediction(gap=2.0).state_dict()) == {"net.logits_DV"}


def test_sums_and_their_names_follow_the_device():
    """A figure left behind would draw the sums back to its own device."""
    module = prediction().to("meta")
    assert {module.train_losses.nll.device.type, module.metrics["val"].bins.device.type} == {"meta"}
    assert {figure.device.type for figure in module.train_figures} == {"meta"}
