"""A hopeless trial ends at an epoch's end, also where the run was cut off and goes on."""

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from callbacks.pruning import Pruning

LOSSES = [5.0, 4.0, 3.0, 2.0, 1.0]


class MadeUp(L.LightningModule):
    """Its validation loss is LOSSES[epoch]."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.began = 0

    def training_step(self, batch, batch_idx):
        return self.weight.sum()

    def on_train_epoch_start(self):
        self.began += 1

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", LOSSES[self.current_epoch])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(pruning: Pruning, **settings) -> int:
    """How many epochs began."""
    loader, module = DataLoader(TensorDataset(torch.zeros(2, 1))), MadeUp()
    trainer = L.Trainer(
        max_epochs=5,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[pruning],
        **settings,
    )
    trainer.fit(module, loader, loader)
    return module.began


@pytest.mark.filterwarnings("ignore")
def test_it_is_asked_once_an_epoch_and_ends_the_run_there():
    asked = []
    pruning = Pruning("val/loss", lambda seen: asked.append(dict(seen)) or len(seen) == 3)
    assert fit(pruning) == 3
    assert asked == [{0: 5.0}, {0: 5.0, 1: 4.0}, {0: 5.0, 1: 4.0, 2: 3.0}]
    assert pruning.why == "hopeless after epoch 3, with val/loss at 3.0000"


@pytest.mark.filterwarnings("ignore")
def test_epochs_that_were_not_validated_are_not_judged():
    asked = []
    pruning = Pruning("val/loss", lambda seen: asked.append(list(seen)) or False)
    assert fit(pruning, check_val_every_n_epoch=2) == 5
    assert asked == [[1], [1, 3]] and pruning.why is None


@pytest.mark.filterwarnings("ignore")
def test_who_is_hopeless_in_the_last_epoch_only_has_finished():
    pruning = Pruning("val/loss", lambda seen: len(seen) == 5)
    assert fit(pruning) == 5 and pruning.why is None


@pytest.mark.filterwarnings("ignore")
def test_what_was_decided_before_a_cut_stands():
    first = Pruning("val/loss", lambda seen: len(seen) == 2)
    assert fit(first) == 2
    again = Pruning("val/loss", lambda seen: pytest.fail("it was decided"))
    again.load_state_dict(first.state_dict())
    assert fit(again) == 0 and again.why == first.why
