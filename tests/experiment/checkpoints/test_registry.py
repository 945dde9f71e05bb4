"""What a config out of a checkpoint may build."""

import re
import sys

import pytest
from omegaconf import OmegaConf

from experiment.checkpoints.registry import COMPONENTS, SECTIONS, check_config, check_target
from experiment.configs.compose import CONF, compose_config
from schemas.errors import ConfigError

OWN = ("models", "lightning_modules", "datamodules", "callbacks", "experiment", "reports", "schemas", "storage")


def test_the_components_are_those_that_conf_names_and_no_others():
    texts = [path.read_text() for section in SECTIONS for path in (CONF / section).rglob("*.yaml")]
    named = set(re.findall(r"_target_: (\S+)", "\n".join(texts)))
    assert {name for name in named if name.split(".")[0] in OWN} == set(COMPONENTS)
    for name in named:
        check_target(name)
    assert len(set(COMPONENTS)) == len(COMPONENTS)


@pytest.mark.parametrize("experiment", sorted(path.stem for path in (CONF / "experiment").glob("*.yaml")))
def test_every_shipped_config_may_be_built(experiment):
    own = ["datamodule.root=mine"] if experiment == "clips" else []
    check_config(OmegaConf.to_container(compose_config([f"experiment={experiment}", *own]), resolve=True))


@pytest.mark.parametrize("name", ["torch.nn.Linear", "torch.optim.AdamW", "torch.optim.lr_scheduler.StepLR"])
def test_classes_of_torch_may_be_built(name):
    check_target(name)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "torch.hub.load",
        "torch.load",
        "torch.nn.functional.relu",
        "torch.nn.init.zeros_",
        "torch.nn.Module.load_state_dict",
        "torch.nn.modules.linear.Linear",
        "torch.nn.Linear.__init__",
        "torch.nn.Parameter",
        "torch.nn.factory_kwargs",
        "torch.nn.__builtins__",
        "torch.nn.",
        "torch.optim.swa_utils.AveragedModel",
        "torch.optim.lr_scheduler.Path",
        "torch.optim.lr_scheduler.partial",
        "torch.optim.Adam.add_param_group",
        "torch.nn.Linear ",
        "Torch.nn.Linear",
        "hydra.utils.get_method",
        "hydra.utils.instantiate",
        "models.gcn_lstm.spatial",
        "models.gcn_lstm.spatial.SpatialGCN.forward",
        "models.gcn_lstm.fusion.sinusoids",
        "datamodules.events.sources.FileSource",
        "experiment.training.run_training",
        "storage.atomic.write_bytes",
        "lightning.Trainer",
        "",
        "antigravity",
        None,
        ["torch.nn.Linear"],
        {"_target_": "torch.nn.Linear"},
    ],
    ids=str,
)
def test_all_else_is_refused(name):
    with pytest.raises(ConfigError):
        check_target(name)
    assert "antigravity" not in sys.modules


def test_a_users_class_is_trusted_by_its_exact_name_only():
    check_target("my.Net", trust=["my.Net"])
    for other in ("my.Nets", "my", "my.Net.forward"):
        with pytest.raises(ConfigError, match="trust="):
            check_target(other, trust=["my.Net"])


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model": {"net": {"layers": [[{"a": [{"_target_": "os.system"}]}]]}}}, r"net\.layers\.0\.0\.a\.0\._target_"),
        ({"model": {"net": {"_target_": "torch.nn.Linear", "_args_": [1, 2]}}}, "_args_"),
        ({"model": {"net": {"_target_": "torch.nn.Linear", "_convert_": "object"}}}, "_convert_"),
        ({"model": {"net": {"_target_": "torch.nn.Linear", "_recursive_": False}}}, "_recursive_"),
        ({"model": {"net": {"_target_": "torch.nn.Linear", "_partial_": "yes"}}}, "_partial_"),
        ({"model": {"net": {"_target_": "torch.nn.Linear", "device": "cuda"}}}, "device"),
        ({"model": {"net": {"width": "${oc.env:HOME}"}}}, "looked up elsewhere"),
        ({"model": {"net": {"${oc.env:HOME}": 1}}}, "looked up elsewhere"),
        ({"paths": {"data_dir": "${oc.decode:'1'}"}}, "looked up elsewhere"),
        ({"optimizer": {"_target_": "os.system"}}, r"optimizer\._target_"),
        ({"model": {1.5: 2}}, "a key is a float"),
        ({"model": {"net": b"bytes"}}, "no plain value"),
        ({"model": {"net": (1, 2)}}, "no plain value"),
    ],
    ids=str,
)
def test_tricks_are_found_wherever_they_stand(config, said):
    with pytest.raises(ConfigError, match=said):
        check_config(config)


def test_a_config_that_holds_itself_ends():
    config: dict = {"model": {}}
    config["model"]["net"] = config
    with pytest.raises(ConfigError, match="without end"):
        check_config(config)


def test_a_small_config_that_unfolds_without_end_ends():
    inner: list = [1]
    for _ in range(25):
        inner = [inner] * 10
    with pytest.raises(ConfigError, match="without end"):
        check_config({"model": inner})
