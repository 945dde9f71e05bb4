"""Every shipped config composes; what cannot be used is one line."""

import pytest
from omegaconf import OmegaConf

from experiment.configs import parsed
from experiment.configs.compose import CONF, compose_config
from experiment.configs.kinds import Number, OrNull, Several
from experiment.configs.override_words import jobs_of_sweep
from experiment.configs.rules import values_of
from schemas.errors import ConfigError

BASES = {"paths", "hydra"}
OPTIONS = sorted(
    f"{path.parent.relative_to(CONF)}={path.stem}"
    for path in CONF.rglob("*.yaml")
    if path.parent != CONF and path.parent.name not in BASES and not path.stem.startswith("_")
)


EVENTS = ("flights", "timesheets", "bpic2013", "helpdesk", "events")
LOG = ["datamodule=events", "datamodule.source.path=x.csv", "datamodule.sequence=case", "datamodule.fields={a:{}}"]
NEEDS = {f"datamodule={name}": ["model=event_predictor"] for name in EVENTS} | {
    f"datamodule/split={name}": ["model=event_predictor", *LOG]
    for name in ("chronological", "column", "sequence_hash", "sequence_fold")
}
NEEDS["datamodule=clips"] = NEEDS["experiment=clips"] = ["datamodule.root=data/processed/mine"]
NEEDS["callbacks=events"] = ["model=event_predictor"]
NEEDS["datamodule=events"] += LOG[1:]
NEEDS["datamodule/split=chronological"] += [
    "datamodule.split.val_from=2020-01-01",
    "datamodule.split.test_from=2020-02-01",
]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes(option, monkeypatch):
    monkeypatch.setattr("experiment.configs.extras.find_spec", lambda package: package)  # an extra, installed or not
    config = compose_config([option, *NEEDS.get(option, [])])
    assert config.model.task == config.datamodule.task
    OmegaConf.to_yaml(config, resolve=True)


def test_the_options_are_found():
    assert len(OPTIONS) > 35


BAD = {
    "model.spatial_dim=abc": "model.spatial_dim: 'abc' is not a whole number from 1",
    "model.dropout=-0.1": "model.dropout: -0.1 is not a number from 0",
    "model.dropout=1": "model.dropout: 1 is not",
    "model.dropout=true": "model.dropout: True is not",
    "model.spatal_dim=3": "Did you mean model.spatial_dim?",
    "foo=1": "foo: there is no such key",
    "model=gcn_lst": "Did you mean gcn_lstm?",
    "model/pooling=middle": "Known: flatten, mean_max, parts",
    "datamodule=nothing": "datamodule: there is no 'nothing'",
    "scheduler=cos": "scheduler: there is no 'cos'",
    "precision=fp8": "Known: amp_bf16, amp_fp16, auto, fp32",
    "datamodule.task=events": "model 'gcn_lstm' is for clips, these data are events",
    "seed=-1": "seed: -1 is not a whole number from 0",
    "seed=null": "seed: None is not",
    "optimizer.lr=0": "optimizer.lr: 0 is not a number above 0",
    "trainer.accelerator=abacus": "is not one of auto, cpu",
    "datamodule.frames=0": "datamodule.frames: 0 is not a whole number from 1, nor null",
    "test=maybe": "test: 'maybe' is not one of true, false, null",
    "a=[1": "a=[1: cannot be read",
    "model.dropout=${nothing}": "nothing",
    "model.loss.label_smothing=0.1": "Did you mean model.loss.label_smoothing?",
    "model.monitor=val/acc": "model.monitor: 'val/acc' is not one of val/accuracy, val/loss",
    "seed=5000000000": "seed: 5000000000 is not a whole number from 0 up to 4294967295",
    "datamodule.root=???": "datamodule.root",
    "datamodule=clips": "datamodule.root: has no value",
    "model=event_predictor model.memry=full": "Did you mean model.memory?",
    "model=event_predictor model.memory=some": "model.memory: 'some' is not one of last, full",
    "model=event_predictor model.impossible={gap_bin:[START]}": "Add one with a plus: +model.impossible.NAME=VALUE",
    "model=event_predictor datamodule=signs": "model 'event_predictor' is for events, these data are clips",
}


@pytest.mark.parametrize("override", BAD)
def test_what_cannot_be_used_is_one_line_that_says_why(override):
    with pytest.raises(ConfigError) as raised:
        compose_config(override.split())
    assert BAD[override] in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("experiment", sorted(path.stem for path in (CONF / "experiment").glob("*.yaml")))
@pytest.mark.parametrize("debug", ["fdr", "limit", "overfit", "profiler"])
def test_every_experiment_can_be_looked_at_briefly(experiment, debug):
    option = f"experiment={experiment}"
    compose_config([option, f"debug={debug}", *NEEDS.get(option, [])])


@pytest.mark.parametrize("augment", sorted(path.stem for path in (CONF / "datamodule/augment").glob("*.yaml")))
@pytest.mark.parametrize("experiment", ["clips", "nw_ucla", "wlasl100", "natops", "quickstart"])
def test_every_recipe_of_clips_takes_every_augmentation_and_folds(experiment, augment):
    option = f"experiment={experiment}"
    words = [f"datamodule/augment={augment}", "datamodule/split=subject_fold"]
    compose_config([option, *words, *NEEDS.get(option, [])])


ALLOWED = [
    "trainer.gradient_clip_val=null",
    "+trainer.overfit_batches=0.5",
    "+trainer.profiler=simple",
    "scheduler=plateau scheduler.monitor=val/top5 scheduler.schedule.mode=max",
    "callbacks.overfit=null callbacks.best.monitor=train/loss callbacks.best.mode=min",
    "model=event_predictor callbacks.best.monitor=val/ce/origin callbacks.best.mode=min",
    "+callbacks.stop={_target_:lightning.pytorch.callbacks.EarlyStopping,monitor:val/loss,patience:3}",
    "+callbacks.mine={_target_:mine.Measures,anything:1} callbacks.best.monitor=val/of_mine",
    "optimizer._target_=mine.Optimizer +optimizer.colour=red",
    "optimizer=sgd optimizer.nesterov=false optimizer.momentum=0",
    "model=event_predictor datamodule.streams.origin=null",
    "model=event_predictor model.heads=chained +model.loss.weights.origin=0",
    "datamodule.augment.joints={} datamodule/augment=none",
    "+anything=1 +model.anything=2",
    "resume.source=auto",
]


@pytest.mark.parametrize("line", ALLOWED)
def test_what_may_be_right_is_not_refused(line, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("from elsewhere import *\n")
    monkeypatch.syspath_prepend(tmp_path)
    compose_config(line.split())
    parsed.file_of.cache_clear()
    parsed._folder_of.cache_clear()


def test_a_number_that_is_none_is_no_number():
    assert not Number().accepts(float("nan")) and not Number().accepts(True) and Number().accepts(-1.5)
    assert str(OrNull(Number(whole=True, low=1))) == "a whole number from 1, nor null"
    assert str(Several(Number(low=0, high=1), 2)) == "a list of 2, each a number from 0 up to 1"
    assert not Several(Number(), 2).accepts([1]) and Several(Number(), 2).accepts([1, 2])


def test_rules_reach_every_name():
    config = {"callbacks": {"a": None, "b": {"mode": "min"}}, "seed": 1}
    assert list(values_of(config, "callbacks.*")) == [("callbacks.a", None), ("callbacks.b", {"mode": "min"})]
    assert list(values_of(config, "callbacks.*.mode")) == [("callbacks.b.mode", "min")]
    assert list(values_of(config, "model.*")) == [] and list(values_of(config, "seed.x")) == []


SWEPT = {
    "model=glob(gcn*)": ["model=gcn_lstm", "model=gcn_lstm_fusion"],
    "seed=choice(3,4)": ["seed=3", "seed=4"],
}


@pytest.mark.parametrize("word", SWEPT)
def test_an_axis_of_a_sweep_has_all_its_values(word):
    assert jobs_of_sweep([word]) == [[job] for job in SWEPT[word]]


def test_the_keys_people_know_are_there():
    config = compose_config([])
    documented = {
        "model.spatial_dim": 256,
        "model.temporal_dim": 512,
        "model.spatial_layers": 3,
        "model.temporal_layers": 2,
        "model.dropout": 0.4,
        "model.loss.label_smoothing": 0.0,
        "optimizer.lr": 1e-3,
        "optimizer.weight_decay": 1e-4,
        "optimizer.betas": [0.9, 0.999],
        "trainer.max_epochs": 100,
        "trainer.gradient_clip_val": 1.0,
        "trainer.accumulate_grad_batches": 1,
        "datamodule.batch_size": 64,
        "datamodule.num_workers": 8,
        "callbacks.every.every_n_epochs": 25,
        "paths.log_dir": "logs",
        "paths.data_dir": "data/processed",
        "precision.mode": "auto",
        "seed": 0,
    }
    assert {key: OmegaConf.select(config, key) for key in documented} == documented
    assert config.optimizer["_target_"] == "torch.optim.AdamW"


def test_every_value_of_a_sweep_is_in_one_of_the_jobs_that_are_checked():
    jobs = jobs_of_sweep(["seed=3,4", "model.dropout=0.1", "trainer.max_epochs=range(5,8)"])
    assert jobs == [
        ["seed=3", "model.dropout=0.1", "trainer.max_epochs=5"],
        ["seed=4", "model.dropout=0.1", "trainer.max_epochs=5"],
        ["seed=3", "model.dropout=0.1", "trainer.max_epochs=6"],
        ["seed=3", "model.dropout=0.1", "trainer.max_epochs=7"],
    ]
