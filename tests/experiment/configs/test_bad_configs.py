"""Every bad command line ends in one readable line that names the key, with exit code 2, before torch is imported."""

import contextlib
import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import train
from experiment.configs import compose, rules
from experiment.configs.cross_rules import check_together
from experiment.configs.signatures import check_targets
from schemas.errors import ConfigError

ROOT = Path(__file__).parents[3]
EVENTS = "model=event_predictor "
LOG = (
    "model=event_predictor datamodule=events datamodule.source.path=x.csv datamodule.sequence=case "
    "datamodule.fields={a:{},b:{kind:id},s:{role:static},later:{known_at:seen}} "
)
SEARCH = "hparams_search=gcn_lstm "
FOLD = "datamodule=natops datamodule/split=subject_fold "
BAD = {
    # group and option
    "model=gcn_lst": "model: there is no 'gcn_lst'. Did you mean gcn_lstm?",
    "model=null": "model: there is no null. Known: event_predictor",
    "model/pooling=middle": "model/pooling: there is no 'middle'. Known: flatten, mean_max, parts",
    "modle=gcn_lstm": "modle: there is no such key. Did you mean model?",
    "datamodule=cifar": "datamodule: there is no 'cifar'",
    "experiment=quickstrat": "experiment: there is no 'quickstrat'. Did you mean quickstart?",
    "+experiment=quickstart": "experiment: it is chosen twice",
    "scheduler=cos": "scheduler: there is no 'cos'",
    "optimizer=3": "optimizer: there is no 3. Known: adam, adamw, events, sgd",
    "debug=on": "debug: there is no 'on'. Known: fdr, limit",
    "hydra/launcher=elsewhere": "hydra/launcher: there is no 'elsewhere'. Known: basic, joblib",
    # key
    "model.spatal_dim=3": "model.spatal_dim: there is no such key. Did you mean model.spatial_dim?",
    "foo=1": "foo: there is no such key",
    "model.dropout.rate=0.1": "model.dropout.rate: there is no such key",
    "+seed=3": "seed: the config has it already. Leave out the plus",
    "~model.nothing": "model.nothing: there is no such key",
    "~trainer.max_epochs=3": "trainer.max_epochs: it is 100, not 3",
    "~optimizer": "optimizer: no run can do without it",
    "~test": "test: it is null, which cannot be removed",
    "~model.net": "model.net: no run can do without it",
    # syntax
    "foo": "foo: cannot be read: it is no KEY=VALUE",
    "a=[1": "a=[1: cannot be read",
    "seed==1": "seed==1: cannot be read",
    "=3": "=3: there is no key",
    "model.dropout=${": "model.dropout=${: cannot be read",
    "seed=1,2": "seed: 1,2 is several values. For a run of each add -m",
    # what is not there yet
    "trainer.devices=2": "trainer.devices: 2 may train in several processes",
    "trainer.devices=auto": "trainer.devices: 'auto' may train in several processes",
    "+trainer.num_nodes=2": "trainer.num_nodes: 2 may train in several processes",
    # numbers of steps
    "datamodule.steps_per_epoch=0": "datamodule.steps_per_epoch: 0 is not",
    # interpolation and ???
    "model.dropout=${model.nothing}": "model.dropout: Interpolation key 'model.nothing' not found",
    "seed=${oc.env:NOT_THERE_AT_ALL}": "seed: KeyError raised while resolving interpolation",
    "datamodule.frames=${datamodule.frames}": "datamodule.frames: Recursive interpolation",
    "hydra.run.dir=logs/${nothing}": "hydra.run.dir: ${nothing} is no key of this config",
    "datamodule=clips": "datamodule.root: has no value",
    EVENTS + "datamodule=events": "datamodule.fields, datamodule.sequence, datamodule.source.path: has no value",
    # type and range
    "model.spatial_dim=abc": "model.spatial_dim: 'abc' is not a whole number from 1",
    "model.spatial_dim=2.5": "model.spatial_dim: 2.5 is not a whole number",
    "model.dropout=1": "model.dropout: 1 is not a number from 0 up to 0.99",
    "model.loss.class_weights=some": "model.loss.class_weights: 'some' is not one of none, balanced",
    "seed=-1": "seed: -1 is not",
    "test=maybe": "test: 'maybe' is not one of true, false, null",
    "trainer.max_epochs=1e3": "trainer.max_epochs: 1000.0 is not a whole number",
    "trainer.max_epochs=0": "trainer.max_epochs: 0 is not",
    "trainer.accelerator=abacus": "trainer.accelerator: 'abacus' is not one of auto, cpu",
    "+trainer.overfit_batches=-1": "trainer.overfit_batches: -1 is not",
    "optimizer.lr=inf": "optimizer.lr: inf is not a number above 0",
    "optimizer.lr=0": "optimizer.lr: 0 is not a number above 0",
    "optimizer.betas=[0.9]": "optimizer.betas: [0.9] is not a list of 2",
    "optimizer.betas=[0.9,1.5]": "optimizer.betas: [0.9, 1.5] is not",
    "optimizer=sgd optimizer.momentum=-1": "optimizer.momentum: -1 is not",
    "scheduler=step scheduler.schedule.parts=0": "scheduler.schedule.parts: 0 is not",
    "scheduler=plateau scheduler.schedule.factor=1": "scheduler.schedule.factor: 1 is not",
    "datamodule.num_workers=-1": "datamodule.num_workers: -1 is not",
    "datamodule.batch_size=many": "datamodule.batch_size: 'many' is not",
    "datamodule.frames=0": "datamodule.frames: 0 is not a whole number from 1, nor null",
    "datamodule.split.validation_share=1": "datamodule.split.validation_share: 1 is not",
    "datamodule.augment.joints.affine.rotate=15": "datamodule.augment.joints.affine.rotate: 15 is not a list of 3",
    "datamodule.augment.joints.flip=null": "datamodule.augment.joints.flip: None is not a component",
    "callbacks.every.every_n_epochs=0": "callbacks.every.every_n_epochs: 0 is not",
    "+callbacks.mine=3": "callbacks.mine: 3 is not a component",
    "model.name=a/b": "model.name: 'a/b' is not text without /",
    EVENTS + "datamodule.tgt_seq_len=1": "datamodule.tgt_seq_len: 1 is not",
    EVENTS + "+model.loss.weights.origin=-1": "model.loss.weights.origin: -1 is not",
    # two tasks mixed
    "datamodule=flights": "datamodule: model 'gcn_lstm' is for clips, these data are events",
    EVENTS + "datamodule=signs": "datamodule: model 'event_predictor' is for events, these data are clips",
    "model.task=events": "datamodule: model 'gcn_lstm' is for events",
    EVENTS + "callbacks=default": "callbacks.clip_grid: ClipGrid draws clips",
    "callbacks=events": "callbacks.stream_attention: StreamAttention draws events, model 'gcn_lstm' is for clips",
    "logger.tensorboard.version=tb": "logger.tensorboard.version: 'tb' is not one of tensorboard",
    "callbacks.clips.clips=0": "callbacks.clips.clips: 0 is not",
    "callbacks.projector.clips=-1": "callbacks.projector.clips: -1 is not",
    "datamodule.split._target_=datamodules.splits.SequenceHashSplit": "datamodule.split.validation_by: data",
    # components
    "model.net._target_=models.gcn_lstm.classifier.GCNLSTMM": "model.net._target_: models.gcn_lstm.classifier.GCNLSTMM",
    "model.net._target_=models.gcn_lstn.classifier.GCNLSTM": "models has no 'gcn_lstn'. Did you mean gcn_lstm?",
    "model.net._target_=GCNLSTM": "model.net._target_: 'GCNLSTM' is no dotted name",
    "model.net._target_=models.gcn_lstm.classifier": "a module, which builds nothing",
    "optimizer._target_=torch.optim.AdamX": "optimizer._target_: torch.optim.AdamX: torch.optim has no 'AdamX'",
    "optimizer._target_=nowhere_at_all.Adam": "this installation has no 'nowhere_at_all'",
    "+model.spatial.colour=red": "model.spatial.colour: models.gcn_lstm.spatial.SpatialGCN got an unexpected",
    "+optimizer.weight_decai=0.1": "optimizer.weight_decai: torch.optim.AdamW got an unexpected",
    "+trainer.max_epoch=3": "trainer.max_epoch: lightning.Trainer got an unexpected",
    "+trainer.precision=16": "trainer.precision: the run hands this argument over itself",
    "~callbacks.overfit.monitor": "callbacks.overfit: callbacks.health.overfit.Overfit needs monitor",
    "+callbacks.stop._target_=lightning.pytorch.callbacks.EarlyStopping": "EarlyStopping needs monitor",
    # two keys together
    EVENTS + "model.num_heads=3": "model.num_heads: 3 heads do not divide model.d_model 128",
    "model=gcn_lstm_fusion model.attention.heads=3": "model.attention.heads: 3 heads do not divide",
    "model.monitor=val/acc": "model.monitor: 'val/acc' is not one of val/accuracy",
    "callbacks.best.monitor=val/acc": "callbacks.best.monitor: 'val/acc' is no metric of clips",
    "callbacks.best.mode=min": "callbacks.best.mode: min of val/accuracy is its worst value",
    "scheduler=plateau scheduler.monitor=null": "scheduler.monitor: a plateau needs a metric",
    "scheduler=plateau scheduler.monitor=val/f1": "scheduler.monitor: 'val/f1' is no metric",
    "scheduler=plateau scheduler.interval=step": "scheduler.interval: a plateau watches val/accuracy",
    "scheduler.schedule.warmup=1": "scheduler.schedule.warmup: a warm-up of 1 is as long as the run",
    "scheduler.schedule.warmup=0.9 trainer.max_epochs=4": "is 4 epochs, and trainer.max_epochs is 4",
    "scheduler=one_cycle scheduler.interval=epoch scheduler.total_steps=3": "scheduler.total_steps: a cycle of 3",
    "trainer.check_val_every_n_epoch=200": "trainer.check_val_every_n_epoch: a validation every 200 epochs is none in",
    "+trainer.limit_val_batches=0": "trainer.limit_val_batches: without validation",
    "+trainer.limit_train_batches=0": "trainer.limit_train_batches: there are no training batches",
    "precision=amp_fp16 trainer.accelerator=cpu": "precision.mode: amp_fp16 needs a CUDA device",
    "optimizer=sgd optimizer.momentum=0": "optimizer.nesterov: it needs momentum above 0",
    "datamodule.augment.crop=[1.0,0.5]": "datamodule.augment.crop: [1.0, 0.5] is no lowest and highest",
    "datamodule.augment.mixup=0.2 datamodule.batch_size=1": "datamodule.augment.mixup: mixup 0.2",
    "datamodule.channels=[joint,speed]": "datamodule.channels: there is no 'speed'. Known: joint, bone",
    "callbacks.data.skip=[leaks]": "callbacks.data.skip: there is no 'leaks'",
    "paths.data_dir=README.md": "paths.data_dir: README.md is a file",
    "datamodule=clips datamodule.root=README.md/x": "datamodule.root: README.md is a file",
    "paths.log_dir=README.md": "paths.log_dir: README.md cannot be made",
    # events
    LOG + "datamodule.split.val_share=0.6 datamodule.split.test_share=0.5": "leave no share for training",
    EVENTS + "datamodule.split.val_from=2014-01-01": "val_from 2014-01-01 is not before test_from 2013-11-01",
    EVENTS + "datamodule.split.val_from=soon": "datamodule.split.val_from: 'soon' is no date",
    LOG + "model.heads=chained model.head_width=0": "model.head_width: chained heads need a width",
    LOG + "model.order=[a,b,later]": "model.order: independent heads have no order",
    LOG + "model.order=[a] model.heads=chained": "model.order: the order leaves fields out. Add b, later",
    LOG + "model.copy=[s]": "model.copy: there is no dynamic field 's'. Dynamic fields: a, b, later",
    LOG + "model.copy=a": "model.copy: 'a' is no list. Write [a]",
    LOG + "+model.impossible.c=[x]": "model.impossible: there is no dynamic field 'c'",
    LOG + "+model.loss.weights.c=1": "model.loss.weights: there is no dynamic field 'c'",
    LOG + "model.memory=full model.stream_attention=1": "model.stream_attention: 1 layers among streams",
    LOG + "+datamodule.streams.x={key:c}": "datamodule.streams.x.key: there is no field 'c'",
    LOG + "+datamodule.streams.x={key:later}": "datamodule.streams.x.key: 'later' is known only later",
    LOG + "+datamodule.streams.x=a": "datamodule.streams.x: a describes no stream",
    LOG + "+datamodule.fields.a.kond=id": "datamodule.fields.a.kond: there is no such key. Do you mean kind?",
    LOG + "+datamodule.fields.a.kind=word": "datamodule.fields.a.kind: 'word' is no kind",
    LOG + "+datamodule.fields.gap={kind:gap}": "datamodule.fields.gap.edges: edges belong to the kind gap",
    LOG + "+datamodule.fields.gap={kind:gap,edges:[60,0]}": "[60, 0] are not seconds that rise from 0",
    LOG + "datamodule/split=column datamodule.split.names={train:x,val:x}": "two splits are called the same",
    # folds
    FOLD + "datamodule.split.folds=5 datamodule.split.fold=5": "datamodule.split.fold: there is no fold 5 of 5",
    FOLD + "datamodule.split.folds=2": "datamodule.split.folds: 2 leave none to train",
    FOLD + "datamodule.split.by=null": "datamodule.split.folds: single clips (by=null) need a number of folds",
    FOLD + "datamodule.split.fold=-1": "datamodule.split.fold: -1 is not a whole number from 0",
    LOG + "datamodule/split=subject_fold": "datamodule.split: GroupFold splits clips, these data are events",
    # sweeps
    "-m seed=-1,-2": "seed: -1 is not a whole number",
    "-m model=gcn_lstm,gcn_lst": "model: there is no 'gcn_lst'",
    "-m resume=auto seed=1,2": "command line: one run is resumed or repeated at a time",
    "sweep.resume=/nowhere": "sweep.resume: there is no sweep in /nowhere",
    # searches
    "hparams_search=gcn_ls": "hparams_search: there is no 'gcn_ls'. Did you mean gcn_lstm?",
    SEARCH + "~hparams_search.space.model.dropout model.droput=0.1": "model.droput: there is no such key",
    SEARCH + "+hparams_search.space.model.droput=[0.1]": "hparams_search.space.model.droput: no trial can run with 0.1",
    SEARCH + "hparams_search.space.model.dropout.low=0.9": "space.model.dropout: low 0.9 is not below high 0.6",
    SEARCH + "hparams_search.space.model.dropout.high=1.5": "space.model.dropout: no trial can run with 1.5",
    SEARCH + "hparams_search.space.model.spatial_dim=[]": "hparams_search.space.model.spatial_dim: it has no choices",
    SEARCH + "hparams_search.space.model.dropout=[0.1]": "model.dropout: what stands there is of another kind",
    SEARCH + "~hparams_search.space": "hparams_search: it holds exactly model, prune, seed, space",
    SEARCH + "model.dropout=0.2": "model.dropout: it is searched, and given as well",
    SEARCH + "hparams_search.trials=0": "hparams_search.trials: 0 is not a whole number from 1",
    SEARCH + "datamodule=flights": "datamodule: model 'gcn_lstm' is for clips, these data are events",
    SEARCH + "-m seed=1,2": "command line: -m cannot stand beside a search",
    SEARCH + "repeat=/nowhere": "command line: repeat=/nowhere cannot stand beside a search",
    SEARCH + "hydra.run.dir=/tmp": "command line: hydra.run.dir=/tmp cannot stand beside a search",
    "hparams_search.trials=4": "hparams_search.trials: no hparams_search is chosen. Choose one: hparams_search=",
    "+hparams_search.trials=4": "hparams_search: it holds exactly model, prune",
    "-m seed=range(5,1)": "seed=range(5,1): it has no values",
    "-m seed=range(0,1000000000)": "seed=range(0,1000000000): it has more than 1,000 values",
    "-m seed=interval(0,1)": "seed=interval(0,1): an interval has no end of values",
    "-m model=glob(x*)": "model=glob(x*): it has no values",
    "-m seed=choice(1": "seed=choice(1: cannot be read",
}
BROKEN_FILES = {
    # what: (file under conf/, its contents or None for a folder in its place, words, message)
    "no YAML": ("local/default.yaml", b"optimizer: {lr: 0.1\nseed: [", "", "local/default.yaml, line"),
    "a key twice": ("local/default.yaml", b"seed: 1\nseed: 2\n", "", "local/default.yaml, line 2"),
    "no UTF-8": ("local/default.yaml", b"# \xff\xfe caf\xe9\nseed: 1\n", "", "local/default.yaml: cannot be read"),
    "a folder": ("local/default.yaml", None, "", "local/default.yaml"),
    "no mapping": ("local/default.yaml", b"- seed\n- 1\n", "", "local/default.yaml"),
    "bad value": ("local/default.yaml", b"# @package _global_\nseed: much\n", "", "seed: 'much' is not a whole number"),
    "no package": ("experiment/mine.yaml", b"defaults:\n- override /model: gcn\n", "experiment=mine", "_global_"),
    "a list": ("experiment/mine.yaml", b"- seed\n", "experiment=mine", "experiment/mine.yaml: is no mapping"),
    "bad default": (
        "experiment/mine.yaml",
        b"# @package _global_\ndefaults:\n- override /model: gcn\n",
        "experiment=mine",
        "there is no 'gcn'",
    ),
    "no such group": ("experiment/mine.yaml", b"defaults:\n- override /modle: x\n", "experiment=mine", "modle"),
    "bad reference": (
        "experiment/mine.yaml",
        b"# @package _global_\nseed: ${sed}\n",
        "experiment=mine",
        "seed: Interp",
    ),
}


def problems(line: str, expected: str, code: object, out: str, err: str) -> list[str]:
    """What is wrong with how a bad command line ended; nothing where all is well."""
    checks = {
        f"exit code {code}": code != 2,
        f"it printed {out!r}": bool(out),
        f"{len(err.splitlines())} lines": len(err.splitlines()) != 1,
        "no ConfigError": not err.startswith("ConfigError "),
        "a traceback": "Traceback" in err,
        f"nothing of {expected!r} in {err!r}": expected not in err,
        "longer than a paragraph": len(err) > 600,
    }
    return [f"{line}: {name}" for name, failed in checks.items() if failed]


def end_of(words: list[str], capsys, monkeypatch) -> tuple[object, str, str]:
    """How train.py ends in this process; a config that is let through is not trained."""
    monkeypatch.setattr(train, "train", lambda: None)
    monkeypatch.setattr(sys, "argv", ["train.py", *words])
    code: object = 0
    try:
        train.main()
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_there_are_enough_of_them():
    assert len(BAD) + len(BROKEN_FILES) >= 60


@pytest.mark.parametrize("line", BAD)
def test_a_bad_command_line_is_one_readable_line(line, capsys, monkeypatch):
    assert not problems(line, BAD[line], *end_of(line.split(), capsys, monkeypatch))


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_broken_file_is_named(name, tmp_path, capsys, monkeypatch):
    file, contents, line, expected = BROKEN_FILES[name]
    shutil.copytree(compose.CONF, tmp_path / "conf")
    break_file(tmp_path / "conf" / file, contents)
    monkeypatch.setattr(compose, "CONF", tmp_path / "conf")
    assert not problems(name, expected, *end_of(line.split(), capsys, monkeypatch))


def break_file(path: Path, contents: bytes | None) -> None:
    path.parent.mkdir(exist_ok=True)
    if contents is None:
        path.mkdir()
    else:
        path.write_bytes(contents)


ODD = (None, -1, [["a"]], {"a": [1]})


def places(node: dict, above: tuple = ()) -> Iterator[tuple]:
    for name, inner in node.items():
        yield (*above, name)
        if isinstance(inner, dict):
            yield from places(inner, (*above, name))


@pytest.mark.parametrize("line", ["model=gcn_lstm_fusion scheduler=plateau", "model=event_predictor"])
def test_no_odd_value_at_any_place_breaks_the_check_itself(line):
    plain = OmegaConf.to_container(compose.compose_config(line.split()), resolve=True)
    for *above, last in list(places(plain)):
        node = functools.reduce(dict.__getitem__, above, plain)
        before = node[last]
        for odd in ODD:
            node[last] = odd
            with contextlib.suppress(ConfigError):
                rules.check_parts(plain)
                rules.check_values(plain)
                check_targets(plain, plain)
                check_together(plain)
        node[last] = before


def test_a_value_of_many_lines_and_of_great_length_is_told_on_one():
    for name, odd in (("datamodule.task", "x\ny"), ("model.monitor", "x" * 10_000), ("model.net._target_", "a\nb")):
        changed = compose.compose_config([])
        OmegaConf.update(changed, name, odd)
        with pytest.raises(ConfigError) as raised:
            compose.check_config(changed)
        assert "\n" not in str(raised.value) and len(str(raised.value)) < 600


SAMPLE = sorted(BAD)[:: len(BAD) // 7]


@pytest.mark.slow
@pytest.mark.parametrize("line", SAMPLE)
def test_so_it_does_as_a_process_and_torch_is_not_imported(line):
    code = (
        "import atexit, json, runpy, sys; words = json.loads(sys.argv[1]); sys.argv = ['train.py', *words]; "
        "atexit.register(lambda: print(*{'torch', 'lightning'} & set(sys.modules), end='')); "
        "runpy.run_path('train.py', run_name='__main__')"
    )
    command = [sys.executable, "-c", code, json.dumps(line.split())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert not problems(line, BAD[line], done.returncode, done.stdout, done.stderr)
