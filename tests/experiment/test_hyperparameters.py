"""The columns of a table of runs: what a person sweeps, and no internals."""

import pytest
from omegaconf import OmegaConf

from experiment.configs.compose import compose_config
from experiment.hyperparameters import hyperparameters

CLIPS = ("model=gcn_lstm", "datamodule=natops", "model/adjacency=learned", "model.spatial_dim=32", "seed=3")


def of(*words: str) -> dict:
    return hyperparameters(OmegaConf.to_container(compose_config(list(words)), resolve=True), words, "natops")


def test_what_is_shown_of_a_plain_run():
    values = of(*CLIPS)
    assert (
        values.items()
        >= {
            "model": "gcn_lstm",
            "model.spatial_dim": 32,
            "model.dropout": 0.4,
            "model.loss.label_smoothing": 0.0,
            "model.unused_norm": False,
            "model.adjacency": "learned",
            "optimizer": "AdamW",
            "lr": 0.001,
            "scheduler": "cosine",
            "datamodule": "natops",
            "batch_size": 64,
            "seed": 3,
        }.items()
    )
    assert not [name for name in values if "_target_" in name or name.startswith(("model.net", "model.spatial."))]
    assert len(values) < 25 and not values.keys() & {"model.name", "optimizer.lr"}
    assert sorted(values)[:4] == ["batch_size", "datamodule", "lr", "model"], "TensorBoard shows five"


@pytest.mark.parametrize(
    ("word", "column", "value"),
    [
        ("model.readout._target_=models.gcn_lstm.readout.LastHidden", "model.readout._target_", None),
        ("experiment=natops", "experiment", "natops"),
        ("scheduler.schedule.final=0.5", "scheduler.schedule.final", 0.5),
        ("datamodule.channels=[joint,bone]", "channels", "[joint,bone]"),
        ("++datamodule.augment.mixup=0.2", "augment.mixup", 0.2),
        ("datamodule.seed=7", "datamodule.seed", 7),
        ("trainer.max_epochs=7", "trainer.max_epochs", 7),
        ("optimizer.lr=0.5", "lr", 0.5),
        ("optimizer.weight_decay=0.5", "optimizer.weight_decay", 0.5),
        ("optimizer=sgd", "optimizer", "SGD"),
    ],
    ids=lambda value: str(value).partition("=")[0],
)
def test_a_word_that_was_typed_is_a_column(word, column, value):
    found = of("datamodule=natops", word)
    assert found[column] == value or (value is None and found[column].endswith("LastHidden"))


@pytest.mark.parametrize(
    "word",
    [
        "paths.log_dir=/elsewhere",
        "logger=csv",
        "test=false",
        "~callbacks.overfit",
        "callbacks.overfit=null",
        "datamodule.root=/elsewhere/natops",
        "datamodule.num_workers=0",
        "trainer.accelerator=cpu",
    ],
)
def test_a_word_about_the_run_alone_is_none(word):
    assert of("datamodule=natops", word) == of("datamodule=natops")


def test_a_mapping_that_was_typed_is_a_description_and_no_column():
    words = ["datamodule.fields={user:{kind:id}}", *["datamodule.sequence=case"] * 2]
    config = {"datamodule": {"fields": {"user": {"kind": "id"}}, "sequence": "case"}}
    assert hyperparameters(config, words, "events") == {"datamodule": "events", "sequence": "case"}


def test_a_fold_is_a_column():
    values = of("datamodule=natops", "datamodule/split=subject_fold", "datamodule.split.fold=2")
    assert values["fold"] == 2 and "datamodule.split.fold" not in values


def test_what_trains_another_net_is_a_column():
    typed = ["callbacks/ema=weights", "debug=overfit", "callbacks.stalled=null", "logger=csv"]
    values = hyperparameters({"model": {"name": "net"}}, typed, "data")
    assert values["callbacks.ema"] == "weights" and values["debug"] == "overfit"
    assert "callbacks.stalled" not in values and "logger" not in values
