"""Going on from another run's weights: what is taken, what starts fresh, what stays frozen, and without the source."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from callbacks.seeding import SeedEachBatch
from datamodules.skeletons.store_writer import new_store
from experiment.build import build_datamodule
from experiment.checkpoints.loading import load_run
from experiment.configs.compose import compose_config
from experiment.fine_tuning import fine_tune
from experiment.repeat import changes_since
from experiment.results.groups import identities
from experiment.results.runs import Run
from experiment.resume import run_to_resume
from experiment.run_folder import RunFolder
from experiment.tasks.task import task_of
from experiment.training import run_training
from reports.describe.page import describe
from schemas.errors import CheckpointError, ConfigError
from schemas.skeleton import load_layout
from tests.experiment.same_run import assert_same, words_of, write_data
from tests.experiment.small_data import make_clips, make_events, write_events

BLOCKS = ("model/block=residual", "trainer.max_epochs=1")
"""With BatchNorm, whose statistics are not parameters."""
TUNED = {
    "clips": ("model.freeze=[spatial]", "model.lr_scale={temporal: 0.1}"),
    "events": ("model.freeze=[memory]", "model.lr_scale={decoder: 0.1, decoder.layers.0: 0.5}"),
}


class PowerCutError(Exception):
    """Not an error of ours: the run ends in the middle."""


def run(words: list[str], folder: Path) -> Path:
    run_training(compose_config(words), str(folder), words, False)
    return folder


def weights(folder: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]


def write_other_clips(folder: Path) -> Path:
    """Of three classes instead of four, by other names."""
    names = ["wave", "nod", "clap"]
    clips = [replace(clip, label=clip.label - 1) for clip in make_clips(100, seed=5) if clip.label]
    with new_store(folder, load_layout("kinect20"), names, source={"made": "for tests"}, importer="tests") as store:
        for clip in clips:
            store.add(clip)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = write_data(tmp_path_factory.mktemp("data"))
    write_other_clips(folder / "other" / "clips")
    others = make_events(60, seed=5)
    others["activity"] = others["activity"].replace({"check": "look"})
    write_events(folder / "other" / "log.csv", others[others["user"] != "user open"])
    return folder


@pytest.fixture(scope="module")
def sources(data, tmp_path_factory) -> dict[str, Path]:
    """A trained run of each task."""
    logs = tmp_path_factory.mktemp("sources")
    words = {"clips": words_of("clips", data, logs, *BLOCKS), "events": words_of("events", data, logs)}
    return {task: run([*own, "trainer.max_epochs=1"], logs / task) for task, own in words.items()}


@pytest.fixture
def clips(sources) -> Path:
    return sources["clips"]


def begin(words: list[str]) -> tuple[nn.Module, dict, list]:
    """The net as a run of these words would begin with it, what provenance says, and the callbacks."""
    config = compose_config(words)
    torch.manual_seed(config.seed)
    datamodule = build_datamodule(config)
    datamodule.prepare_data()
    module = task_of(config).build_module(config, datamodule)
    source, callbacks = fine_tune(config, module, datamodule.schema.to_dict(), None)
    return module.net, source.get("init_from", {}), callbacks


@pytest.mark.parametrize("named_by", ["folder", "file"])
def test_the_same_model_takes_every_byte(named_by, data, clips, tmp_path):
    place = clips if named_by == "folder" else clips / "checkpoints" / "best.ckpt"
    net, source, callbacks = begin(words_of("clips", data, tmp_path, *BLOCKS, f"model.init_from={place}"))
    there = weights(clips, "best")
    assert {f"net.{name}" for name in net.state_dict()} == there.keys()
    assert all(torch.equal(tensor, there[f"net.{name}"]) for name, tensor in net.state_dict().items())
    file = clips / "checkpoints" / "best.ckpt"
    assert source["checkpoint"] == str(file) and source["epoch"] == 1 and source["model"] == "gcn_lstm"
    assert source["checksum"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert source["commit"] == json.loads((clips / "provenance.json").read_text())["git"]["commit"]
    assert (source["fresh"], source["left_there"], source["schema_differs"], callbacks) == ([], [], [], [])


def test_a_head_of_other_classes_starts_fresh_and_is_listed(data, clips, tmp_path, capsys):
    words = words_of("clips", data / "other", tmp_path, *BLOCKS)
    fresh, _, _ = begin(words)
    net, source, _ = begin([*words, f"model.init_from={clips}"])
    there = weights(clips, "best")
    head = {"classifier.3.weight", "classifier.3.bias"}
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, fresh.state_dict()[name] if name in head else there[f"net.{name}"]), name
    assert set(source["taken"]) == set(net.state_dict()) - head
    lines = ["classifier.3.weight [3, 16], there [4, 16]", "classifier.3.bias [3], there [4]"]
    assert source["fresh"] == lines and source["schema_differs"] == ["classes"]
    printed = capsys.readouterr().out
    assert printed.count("Begins with 23 of 25 tensors") == 1
    assert lines[0] in printed and "Other data there (classes)" in printed


def test_vocabularies_of_another_size_start_fresh(data, sources, tmp_path):
    words = words_of("events", data / "other", tmp_path, f"model.init_from={sources['events']}")
    net, source, _ = begin(words)
    there = weights(sources["events"], "best")
    fits = {name for name, tensor in net.state_dict().items() if tensor.shape == there[f"net.{name}"].shape}
    assert set(source["taken"]) == fits and "embedding.value_Vd" not in fits
    assert any(line.startswith("embedding.value_Vd [") for line in source["fresh"])
    assert all(torch.equal(net.state_dict()[name], there[f"net.{name}"]) for name in fits)


def test_a_model_of_other_widths_is_told_which(data, clips, tmp_path, capsys):
    words = words_of("clips", data / "other", tmp_path, *BLOCKS, f"model.init_from={clips}", "model.temporal_dim=8")
    begin(words)
    assert "Most do not fit" not in capsys.readouterr().out  # the spatial part does, 13 of 25
    _, source, _ = begin([*words, "model.spatial_dim=8", "datamodule=clips", f"datamodule.root={data / 'clips'}"])
    assert source["taken"] == ["classifier.3.bias"]
    assert "spatial.blocks.0.norm.num_batches_tracked, of a layer that is fresh" in source["fresh"]
    told = "Most do not fit: model.spatial_dim is 8, there 16; model.temporal_dim is 8, there 16."
    printed = capsys.readouterr().out
    assert "Begins with 1 of 25 tensors" in printed and told in printed and "and 16 more" in printed
    with pytest.raises(ConfigError) as raised:
        begin([*words, "model.spatial_dim=8"])
    said = str(raised.value)
    assert said.startswith("model.init_from: none of this model's 25 tensors fits") and str(clips) in said
    assert "model.spatial_dim is 8, there 16; model.temporal_dim is 8, there 16" in said


def test_another_task_fits_nowhere(data, sources, tmp_path):
    words = words_of("clips", data, tmp_path, f"model.init_from={sources['events']}")
    with pytest.raises(ConfigError, match=r"model\.name is gcn_lstm, there event_predictor"):
        begin(words)


@pytest.mark.parametrize("what", ["nothing", "an empty folder", "damage"])
def test_a_source_that_cannot_be_read(what, data, clips, tmp_path):
    place = tmp_path / "there.ckpt"
    if what == "an empty folder":
        place.mkdir()
    elif what == "damage":
        place.write_bytes((clips / "checkpoints" / "best.ckpt").read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"there\.ckpt"):
        begin(words_of("clips", data, tmp_path, *BLOCKS, f"model.init_from={place}"))


def test_what_is_frozen_stays_to_the_bit_and_the_rest_learns(data, clips, tmp_path):
    words = words_of("clips", data / "other", tmp_path, *BLOCKS, f"model.init_from={clips}", "trainer.max_epochs=2")
    tuned = run([*words, *TUNED["clips"]], tmp_path / "tuned")
    free = run(words, tmp_path / "free")
    there = weights(clips, "best")
    spatial = [name for name in there if name.startswith("net.spatial.")]
    assert any(name.endswith("running_var") for name in spatial)
    for name in ("best", "last"):
        after = weights(tuned, name)
        assert all(torch.equal(after[key], there[key]) for key in spatial)
        assert all(not torch.equal(after[key], there[key]) for key in after if key.startswith("net.temporal."))
    assert not any(torch.equal(weights(free)[key], there[key]) for key in spatial)

    status = RunFolder.read_status(tuned)
    assert status["state"] == "finished"
    (finding,) = [found for found in status["findings"] if found["check"] == "gradients"]
    assert finding["severity"] == "note" and "frozen, as declared" in finding["saw"]
    architecture = json.loads((tuned / "architecture.json").read_text())
    frozen = sum(there[key].numel() for key in spatial if key.endswith(("weight", "bias")))
    trainable = sum(p.numel() for p in load_run(tuned).model.parameters()) - frozen
    assert architecture["trainable"] == trainable


def test_a_frozen_lstm_lets_the_gradient_through_without_dropout(data, clips, tmp_path):
    # cuDNN has no backward through an LSTM in eval mode; its dropout is gone all the same.
    words = words_of("clips", data, tmp_path, *BLOCKS, f"model.init_from={clips}", "model.freeze=[temporal]")
    net, _, (still,) = begin(words)
    net.temporal.lstm.dropout = 0.5
    still.on_train_epoch_start(None, nn.ModuleDict({"net": net}))
    assert net.temporal.lstm.training and not net.temporal.readout.training and net.spatial.training
    after = weights(run(words, tmp_path / "tuned"))
    there = weights(clips, "best")
    for name, tensor in after.items():
        assert torch.equal(tensor, there[name]) is name.startswith("net.temporal."), name


def test_the_dropout_of_a_frozen_lstm_is_taken_away(data, tmp_path):
    more = ("model.temporal_layers=2", "model.temporal_dropout=0.3", "model.freeze=[temporal]")
    net, _, _ = begin(words_of("clips", data, tmp_path, *more))
    assert net.temporal.lstm.dropout == 0.0


REFUSED = {
    "an unknown prefix": (["model.freeze=[spatal]"], r"'spatal'.*There are: classifier, spatial, temporal"),
    "a part of a name": (["model.freeze=[spa]"], "no parameter's name begins with 'spa'"),
    "an unknown inner prefix": (["model.freeze=[spatial.block]"], r"There are: spatial\.blocks\."),
    "an unknown prefix of a rate": (["model.lr_scale={head: 0.1}"], r"model\.lr_scale.*'head'"),
    "everything": (["model.freeze=[spatial,temporal,classifier]"], "nothing is left to train"),
    "a fresh head": (["model.freeze=[classifier]"], r"classifier\.3\.weight, classifier\.3\.bias: frozen, and not"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_frozen_is_refused(case, data, clips, tmp_path):
    more, said = REFUSED[case]
    with pytest.raises(ConfigError, match=said):
        begin(words_of("clips", data / "other", tmp_path, *BLOCKS, f"model.init_from={clips}", *more))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("model.freeze=spatial", "model.freeze: 'spatial' is not a list"),
        ("model.freeze=[3]", "model.freeze: "),
        ("model.init_from=3", "model.init_from: 3 is not text, nor null"),
        ("model.lr_scale=0.1", "model.lr_scale: 0.1 is not a mapping of names"),
        ("model.lr_scale={spatial: 0}", "model.lr_scale.spatial: 0 is not a number above 0"),
        ("model.freeze=[spatial] model.lr_scale={spatial.blocks: 0.1}", "spatial.blocks does not learn"),
        ("optimizer.rates={spatial: 0.1}", "optimizer.rates"),
    ],
)
def test_a_bad_value_is_named_before_torch_is_imported(word, said):
    with pytest.raises(ConfigError, match=said.replace("[", r"\[")):
        compose_config(word.replace("] model", "]|model").split("|") if "] model" in word else [word])


@pytest.mark.parametrize("task", ["clips", "events"])
def test_a_run_that_was_cut_off_goes_on_without_its_source(task, data, sources, tmp_path, monkeypatch):
    source = shutil.copytree(sources[task], tmp_path / "source")
    block = BLOCKS[:1] if task == "clips" else ()
    words = words_of(task, data, tmp_path, *block, f"model.init_from={source}", *TUNED[task], "trainer.max_epochs=3")
    run(words, tmp_path / "whole")
    honest = SeedEachBatch.on_train_batch_start

    def hook(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (1, 1):
            raise PowerCutError
        honest(self, trainer, pl_module, batch, batch_idx)

    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        patch.setattr(SeedEachBatch, "on_train_batch_start", hook)
        run(words, tmp_path / "cut")
    shutil.rmtree(source)
    resumed = [*words, f"resume.source={tmp_path / 'cut'}"]
    other = [word for word in resumed if "lr_scale" not in word]
    with pytest.raises(ConfigError, match=r"model\.lr_scale.*a run goes on with its own parameter groups"):
        run_to_resume(compose_config([*other, "resume.allow_changes=true"]))
    run(resumed, tmp_path / "cut")
    assert_same(tmp_path / "whole", tmp_path / "cut")

    provenances = [json.loads((tmp_path / name / "provenance.json").read_text()) for name in ("whole", "cut")]
    assert provenances[0]["init_from"] == provenances[1]["init_from"]
    checkpoint = torch.load(tmp_path / "cut" / "checkpoints" / "last.ckpt", weights_only=True)
    rates = [group["initial_lr"] for group in checkpoint["optimizer_states"][0]["param_groups"]]
    assert rates == pytest.approx({"clips": [0.01, 0.001], "events": [0.01, 0.001, 0.005]}[task])

    # Neither needs the source.
    loaded = load_run(tmp_path / "cut")
    assert loaded.provenance["init_from"]["checkpoint"] == str(source / "checkpoints" / "best.ckpt")
    assert describe(tmp_path / "cut").sections
    with pytest.raises(CheckpointError, match="source"):
        run(words, tmp_path / "anew")


def test_a_repetition_says_that_the_source_is_another(data, clips, tmp_path):
    first = run(words_of("clips", data, tmp_path, *BLOCKS, f"model.init_from={clips}"), tmp_path / "first")
    now = json.loads((first / "provenance.json").read_text())
    assert changes_since(first, now) == []
    now["init_from"]["checksum"] = "other"
    assert any("model.init_from: other weights" in line for line in changes_since(first, now))


def test_seeds_of_one_source_are_one_group_and_sources_are_apart():
    def identity(*words: str) -> dict:
        config = compose_config([*words, "experiment=quickstart"])
        return identities([Run(Path("run"), config=OmegaConf.to_container(config, resolve=True))])[0]

    one, again, other = (identity(f"model.init_from={name}", f"seed={n}") for name, n in (("a", 0), ("a", 1), ("b", 0)))
    assert one == again != other
