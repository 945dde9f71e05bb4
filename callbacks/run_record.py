"""What a run says of itself, in its checkpoints and in its folder."""

from collections.abc import Callable, Mapping

import lightning as L

from callbacks.epoch_history import EpochHistory
from callbacks.health.check import findings_of
from callbacks.provisional_verdict import verdict_of


class RunRecord(L.Callback):
    """Writes plain facts into every checkpoint, and the state of the run to its folder at every epoch's end.

    Args:
        record: config, schema and provenance as plain values, so that a checkpoint alone says what it is; read when
            one is written, since the device is known only once the Trainer exists.
        write_status: called at every epoch's end with the epoch, the findings so far and the provisional verdict.
    """

    def __init__(self, record: Mapping, write_status: Callable[[dict], None]):
        self.record, self.write_status = record, write_status

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict) -> None:
        history = next((c.rows for c in trainer.callbacks if isinstance(c, EpochHistory)), [])
        checkpoint["assay"] = {**self.record, "history": history}

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            verdict = verdict_of(trainer)
            self.write_status(
                {
                    "epoch": trainer.current_epoch + 1,
                    "epochs": trainer.max_epochs,
                    "findings": plain_findings(trainer),
                    "verdict": verdict and verdict.to_dict(),
                }
            )


def plain_findings(trainer: L.Trainer) -> list[dict]:
    """What the health checks have found, as plain values for status.json."""
    return [vars(finding) for finding in findings_of(trainer)]
