"""Signatures read off the source agree with those of the imported objects; what is not certain is not said."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from experiment.configs import parsed
from experiment.configs.compose import CONF, compose_config
from experiment.configs.definitions import AbsentError, constant_of
from experiment.configs.signatures import signature_of
from schemas.errors import ConfigError

ROOT = Path(__file__).parents[3]
PUBLIC = (
    "torch.optim",
    "torch.optim.lr_scheduler",
    "lightning.pytorch",
    "lightning.pytorch.callbacks",
    "lightning.pytorch.loggers",
    "torch.nn",
    "torchmetrics",
    "torch_geometric.nn",
    "datamodules.splits",
    "datamodules.skeletons.transforms",
    "datamodules.events.sources",
    "callbacks.charts",
    "models.gcn_lstm.fusion",
    "lightning_modules.schedules",
)


def targets(node: object) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(targets, node))
    if not isinstance(node, dict):
        return set()
    own = {node["_target_"]} if "_target_" in node else set()
    return own.union(*map(targets, node.values()))


SHIPPED = sorted(set().union(*(targets(OmegaConf.to_container(OmegaConf.load(p))) for p in CONF.rglob("*.yaml"))))


def imported(target: object) -> tuple[dict[str, bool], bool]:
    """What Python itself says: name -> must it be given, and whether others are taken."""
    parameters = list(inspect.signature(target).parameters.values())
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    open = any(p.kind == inspect.Parameter.VAR_KEYWORD for p in parameters)
    return {p.name: p.default is p.empty for p in parameters if p.kind in named}, open


@pytest.mark.parametrize("target", SHIPPED)
def test_every_shipped_component_is_read_as_python_reads_it(target):
    signature = signature_of(target)
    assert signature is not None
    assert (dict(signature.arguments), signature.open) == imported(get_object(target))


@pytest.mark.parametrize("package", PUBLIC)
def test_nothing_public_is_misread_or_called_absent(package):
    module = importlib.import_module(package)
    for name in [name for name in dir(module) if not name.startswith("_")]:
        component = getattr(module, name)
        if not callable(component) or getattr(component, "_is_protocol", False):
            continue
        if (signature := signature_of(f"{package}.{name}")) is not None:
            assert (dict(signature.arguments), signature.open) == imported(component), name


OWN = """
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, ClassVar, overload
from functools import lru_cache
from {package}.inner import Renamed as Shown, Base
if TYPE_CHECKING:
    from nowhere import plain

class Child(Base): pass
class Silent: pass
class Open:
    def __init__(self, a, *, b=1, **others): ...
class Made:
    def __new__(cls, a): return super().__new__(cls)
class Two(Base, Silent): pass
class Strange(unknown.Base): pass
@dataclass
class First:
    a: int
    count: ClassVar[int] = 0
    made: list = field(init=False, default_factory=list)
@dataclass
class Second(First):
    b: int = field(default=3)
    c: list = field(default_factory=list)
    _: KW_ONLY
    d: int = field(repr=False)
def plain(a, b=2): ...
def by_place(a, /, b): ...
@lru_cache
def decorated(a): ...
@overload
def many(a: int): ...
@overload
def many(a: str): ...
def many(a, b=1): ...
try:
    def either(a): ...
except ImportError:
    def either(b): ...
alias = plain
"""
READ = {
    "plain": ({"a": True, "b": False}, False),
    "Child": ({"size": True}, False),
    "Shown": ({"x": True}, False),
    "Silent": ({}, False),
    "Open": ({"a": True, "b": False}, True),
    "First": ({"a": True}, False),
    "Second": ({"a": True, "b": False, "c": False, "d": True}, False),
    "many": ({"a": True, "b": False}, False),
}
UNCERTAIN = ("Made", "Two", "Strange", "by_place", "decorated", "either", "alias", "inner.anything")


@pytest.fixture
def package(tmp_path, monkeypatch) -> str:
    """A package that fails when it is imported."""
    name = f"own_{tmp_path.name.replace('-', '_')}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit('imported')\n" + OWN.replace("{package}", name))
    inner = "class Base:\n    def __init__(self, size): ...\nclass Renamed:\n    def __init__(self, x): ...\n"
    (folder / "inner.py").write_text(f"from os.path import *\n{inner}")
    (folder / "clear.py").write_text(inner)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    parsed.file_of.cache_clear()
    parsed._folder_of.cache_clear()


def test_a_package_is_read_without_being_imported(package, tmp_path):
    (tmp_path / package / "inner.py").write_text((tmp_path / package / "clear.py").read_text())
    for name, expected in READ.items():
        signature = signature_of(f"{package}.{name}")
        assert signature is not None and (dict(signature.arguments), signature.open) == expected, name
    assert package not in sys.modules


@pytest.mark.parametrize("name", UNCERTAIN)
def test_what_is_not_certain_is_not_said(package, name):
    assert signature_of(f"{package}.{name}") is None


def test_what_is_certainly_not_there_is_said_with_what_is_near(package):
    for target, name, near in (
        (f"{package}.Secnd", "Secnd", "Second"),
        (f"{package}.claer.Base", "claer", "clear"),
        (f"{package}.clear.Bas", "Bas", "Base"),
        ("torch.optim.AdamX", "AdamX", "AdamW"),
        ("modles.gcn_lstm.classifier.GCNLSTM", "modles", "models"),
    ):
        with pytest.raises(AbsentError) as raised:
            signature_of(target)
        assert raised.value.name == name and near in raised.value.known


def test_a_file_that_cannot_be_parsed_is_not_judged(package, tmp_path):
    (tmp_path / package / "broken.py").write_text("def f(:\n")
    (tmp_path / package / "computed.py").write_text("globals()['Net'] = 3\n")
    (tmp_path / package / "lazy.py").write_text("def __getattr__(name): return 3\n")
    for module in ("broken", "computed", "lazy"):
        assert signature_of(f"{package}.{module}.Net") is None


def test_constants_are_read_as_they_are():
    from datamodules.skeletons.features import CHANNELS
    from schemas.findings import DATA_CHECKS

    assert constant_of("datamodules.skeletons.features.CHANNELS") == CHANNELS
    assert constant_of("schemas.findings.DATA_CHECKS") == DATA_CHECKS


def test_a_component_of_ones_own_is_taken(package):
    words = [f"+callbacks.mine._target_={package}.Open", "+callbacks.mine.a=1", "+callbacks.mine.colour=red"]
    assert compose_config(words).callbacks.mine.colour == "red"
    with pytest.raises(ConfigError, match=rf"callbacks.mine: {package}.Open needs a"):
        compose_config([*words[:1], words[2]])


def test_a_list_of_components_is_judged_item_by_item():
    item = "{_target_:lightning.pytorch.callbacks.EarlyStopping,monitor:val/loss,patiense:3}"
    with pytest.raises(ConfigError, match=r"callbacks.mine.more\[0\].patiense: .* Did you mean patience"):
        compose_config(["+callbacks.mine._target_=builtins.dict", f"+callbacks.mine.more=[{item}]"])


def test_defaults_live_in_yaml_only():
    """A constructor of ours has no default for what the shipped config of it sets."""
    found = set()
    for path in CONF.rglob("*.yaml"):
        for node in nodes(OmegaConf.to_container(OmegaConf.load(path))):
            target = node["_target_"]
            if (ROOT / target.split(".")[0]).is_dir():
                arguments = signature_of(target).arguments
                found |= {f"{target}.{name}" for name in node if arguments.get(name) is False}
    assert found <= KNOWN_DEFAULTS


KNOWN_DEFAULTS = {
    "callbacks.health.gradients.Gradients.known",
    "callbacks.health.stalled.Stalled.epochs",
    "datamodules.events.sources.FileSource.origin",
    "datamodules.skeletons.generators.faces.write_faces.seed",
    "datamodules.skeletons.generators.signs.write_signs.seed",
    "datamodules.splits.ColumnSplit.names",
    "datamodules.splits.ColumnSplit.whole_sequences",
    "datamodules.splits.OfficialSplit.test_apart_by",
}
"""Those that were there when this test was written: none may be added."""


def nodes(node: object) -> list[dict]:
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    own = [node] if isinstance(node, dict) and "_target_" in node else []
    return own + [found for item in inner for found in nodes(item)]


def test_torch_is_not_imported_before_a_config_is_judged():
    code = (
        "import sys; from experiment.configs.compose import compose_config; compose_config([]); "
        "compose_config(['experiment=flights_chained']); "
        "print(sorted({'torch', 'lightning', 'torchmetrics', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
