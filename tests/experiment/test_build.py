"""What Lightning is asked to call at every training step."""

import lightning as L

from experiment.build import STEP_HOOKS, build_trainer
from experiment.configs.compose import compose_config


class Counts(L.Callback):
    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        """Overridden in a base class."""


class Below(Counts):
    pass


def test_only_hooks_that_do_something_are_called_at_a_step(tmp_path):
    config = compose_config(["datamodule=nw_ucla"])
    config.paths.run_dir = str(tmp_path)
    own, lone = Below(), L.Callback()
    lone.on_train_batch_end = print  # of the object alone, as Lightning's LambdaCallback does
    trainer = build_trainer(config, [], [own, lone])
    callable_hooks = {
        type(callback).__name__: [hook for hook in STEP_HOOKS if callable(getattr(callback, hook))]
        for callback in trainer.callbacks
    }
    assert callable_hooks["Below"] == ["on_train_batch_start"] and callable_hooks["Callback"] == ["on_train_batch_end"]
    assert callable_hooks["Throughput"] == ["on_train_batch_end"] and callable_hooks["Overfit"] == []
