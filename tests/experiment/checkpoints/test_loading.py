"""A model from a run's folder or a lone checkpoint."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from experiment import load_run
from experiment.build import build_datamodule
from experiment.configs.compose import CONF, compose_config
from experiment.tasks.task import task_of
from experiment.training import run_training
from schemas.errors import CheckpointError, ConfigError
from tests.experiment.small_checkpoint import CLIPS, EVENTS, content_of, equal, small_content, write
from tests.experiment.small_data import CLIP_RUN, make_clips, write_clips


class Own(nn.Module):
    """A user's own net."""

    def __init__(self, schema, width: int):
        super().__init__()
        self.linear = nn.Linear(schema.channels, width)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run's folder, and its overrides."""
    folder = tmp_path_factory.mktemp("trained")
    store = write_clips(folder / "store", make_clips(60))
    overrides = [*CLIP_RUN, f"datamodule.root={store}", f"paths.log_dir={folder / 'logs'}", "trainer.max_epochs=2"]
    run_training(compose_config(overrides), str(folder / "run"), overrides, False)
    return folder / "run", overrides


@pytest.mark.parametrize("which", ["best", "last"])
def test_a_run_gives_back_the_model_that_it_trained(trained, which):
    folder, overrides = trained
    run = load_run(folder, which=which)
    file = folder / "checkpoints" / f"{which}.ckpt"
    stored = torch.load(file, weights_only=True)
    assert equal({f"net.{n}": t for n, t in run.model.state_dict().items()}, dict(stored["state_dict"]))

    # Beside the module as the run builds it, on clips of the test split.
    config = compose_config(overrides)
    datamodule = build_datamodule(config)
    module = task_of(config).build_module(config, datamodule).eval()
    module.load_state_dict(stored["state_dict"])
    batch = datamodule.eval_transform()(datamodule.store.gather(datamodule.rows["test"]))
    with torch.no_grad():
        assert run.model(batch.joints, batch.length).equal(module.net(batch.joints, batch.length))
    assert run.schema == datamodule.schema and run.path == file and run.epoch == stored["epoch"] + 1
    assert run.config.model.spatial_dim == 16 and run.provenance["seed"] == 0
    assert [row["epoch"] for row in run.history] == list(range(1, run.epoch + 1))


def test_the_model_is_ready_and_torchs_randomness_is_left_alone(tmp_path):
    path = write(tmp_path / "a.ckpt", small_content())
    torch.manual_seed(3)
    before = torch.get_rng_state()
    model = load_run(path).model
    assert torch.get_rng_state().equal(before) and not any(module.training for module in model.modules())


@pytest.mark.parametrize(
    ("task", "overrides"),
    [
        ("clips", ("model=gcn_lstm_fusion",)),
        ("clips", ("model/adjacency=learned", "model/pooling=parts", "model/block=residual")),
        ("clips", ("model.adjacency.sparse_above=3", "model/pooling=flatten", "model/readout=attention_max")),
        ("events", ()),
        ("events", ("model.heads=chained", "model.copy=[carrier]", "+model.impossible.carrier=[open]")),
        ("events", ("model.tied=true", "model.memory=full")),
    ],
    ids=str,
)
def test_a_lone_checkpoint_of_any_architecture_is_enough(task, overrides, tmp_path):
    content = small_content(task, *overrides)
    run = load_run(str(write(tmp_path / "lone.ckpt", content)))
    assert run.schema == (CLIPS if task == "clips" else EVENTS)
    assert equal({f"net.{n}": t for n, t in run.model.state_dict().items()}, content["state_dict"])


@pytest.mark.parametrize("experiment", sorted(path.stem for path in (CONF / "experiment").glob("documented_[bf]*")))
def test_documented_presets_are_not_too_large(experiment, tmp_path):
    """The limit on what is built counts against what is stored, whatever the size."""
    assert load_run(write(tmp_path / "a.ckpt", content_of([f"experiment={experiment}"], CLIPS))).epoch == 1


def test_a_folder_says_which_checkpoints_it_has(tmp_path):
    write(tmp_path / "checkpoints" / "epoch_25.ckpt", small_content())
    with pytest.raises(CheckpointError, match=r"no checkpoints/best\.ckpt\. There are: epoch_25"):
        load_run(tmp_path)
    assert load_run(tmp_path, which="epoch_25").epoch == 1
    with pytest.raises(CheckpointError, match="no such file"):
        load_run(tmp_path / "nothing.ckpt")


def test_a_checkpoint_of_before_formats_were_numbered_loads(tmp_path):
    content = small_content()
    del content["assay"]["format"]
    assert load_run(write(tmp_path / "old.ckpt", content)).epoch == 1


@pytest.mark.parametrize("change", ["missing", "strange", "shape", "type"])
def test_weights_fit_exactly_or_not_at_all(change, tmp_path):
    content = small_content()
    state, name = content["state_dict"], "net.classifier.0.weight"
    if change == "missing":
        del state[name]
    elif change == "strange":
        state["net.another"] = torch.ones(1)
    else:
        state[name] = state[name].T.contiguous() if change == "shape" else state[name].double()
    with pytest.raises(CheckpointError, match="the weights do not fit the config"):
        load_run(write(tmp_path / "a.ckpt", content))


def test_a_users_own_class_needs_their_trust(tmp_path):
    content, name = small_content(), f"{__name__}.Own"
    content["assay"]["config"]["model"]["net"] = {"_target_": name, "_partial_": True, "width": 3}
    content["state_dict"] = {f"net.{n}": t for n, t in Own(CLIPS, 3).state_dict().items()}
    path = write(tmp_path / "own.ckpt", content)
    with pytest.raises(ConfigError, match=r"trust=\["):
        load_run(path)
    run = load_run(path, trust=[name])
    assert type(run.model).__name__ == "Own" and run.model.linear.weight.equal(
        content["state_dict"]["net.linear.weight"]
    )


def test_experiment_is_imported_without_torch():
    code = (
        "import experiment, sys; assert 'torch' not in sys.modules; experiment.load_run; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CONF.parent)
