"""The verdict during training: said when it changes, never for a sanity check, with all looks counted."""

import lightning as L
import pytest
from lightning.pytorch.demos.boring_classes import BoringModel

from callbacks import provisional_verdict
from callbacks.predictions import KeepPredictions
from callbacks.provisional_verdict import ProvisionalVerdict
from models.baselines.verdict import Difference, Judgement, Verdict


def verdict(low: float, looks: int) -> Verdict:
    lead = Difference("linear ridge", 0.5, low + 0.1, (low, low + 0.2), (low, low + 0.2))
    return Verdict("accuracy", "validation", Judgement(0.6, lead, lead), looks, False, 100)


@pytest.fixture
def asked(capsys, monkeypatch):
    """Trains four epochs; validations are judged -.05, .05, .06, none."""
    lows, asked = iter([-0.05, 0.05, 0.06]), []
    monkeypatch.setattr(provisional_verdict, "kept_of", lambda trainer: "kept")

    def judge(kept, looks):
        asked.append((kept, looks))
        low = next(lows, None)
        return None if low is None else verdict(low, looks)

    callback = ProvisionalVerdict()
    callback.judge = judge
    trainer = L.Trainer(
        max_epochs=8,
        check_val_every_n_epoch=2,
        callbacks=[callback, KeepPredictions("val/loss", True)],
        logger=False,
        limit_train_batches=1,
        limit_val_batches=1,
        num_sanity_val_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    monkeypatch.setattr(KeepPredictions, "on_validation_batch_end", lambda *_, **__: None)
    trainer.fit(BoringModel())
    return asked, " ".join(capsys.readouterr().out.split())


def test_every_validation_is_judged_once_and_all_looks_are_counted(asked):
    assert asked[0] == [("kept", 4)] * 4


def test_only_a_change_of_level_is_said(asked):
    assert "epoch 2: so far at or below chance" in asked[1]
    assert "epoch 4: so far beats the best baseline" in asked[1]
    assert "epoch 6" not in asked[1]
