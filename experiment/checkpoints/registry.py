"""What a config out of a checkpoint may build.

A checkpoint may come from a stranger, and Hydra calls whatever a `_target_` names: `os.system`, `torch.hub.load`. So
the config is judged as text before anything is imported: exact names of this project's components, classes of three
modules of torch, and what the user trusts by name.
"""

import importlib
import inspect
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from schemas.errors import ConfigError

COMPONENTS = (
    "lightning_modules.schedules.Schedule",
    "lightning_modules.schedules.constant",
    "lightning_modules.schedules.cosine",
    "lightning_modules.schedules.one_cycle",
    "lightning_modules.schedules.plateau",
    "lightning_modules.schedules.step",
    "models.event_predictor.predictor.EventPredictor",
    "models.gcn_lstm.classifier.Classifier",
    "models.gcn_lstm.classifier.GCNLSTM",
    "models.gcn_lstm.fusion.AttentionBranch",
    "models.gcn_lstm.fusion.ConvolutionBranch",
    "models.gcn_lstm.fusion.GatedFusion",
    "models.gcn_lstm.graph_conv.FixedGraphConv",
    "models.gcn_lstm.graph_conv.LearnedGraphConv",
    "models.gcn_lstm.pooling.FlattenPooling",
    "models.gcn_lstm.pooling.MeanMaxPooling",
    "models.gcn_lstm.pooling.PartPooling",
    "models.gcn_lstm.readout.AttentionMax",
    "models.gcn_lstm.readout.LastHidden",
    "models.gcn_lstm.spatial.PlainBlock",
    "models.gcn_lstm.spatial.ResidualBlock",
    "models.gcn_lstm.spatial.SpatialGCN",
    "models.gcn_lstm.temporal.BiLSTM",
    "models.gcn_lstm.temporal.FrameConvolutions",
)
"""Every `_target_` of this project under conf/model, conf/optimizer and conf/scheduler."""
TORCH_MODULES = {"torch.nn": "Module", "torch.optim": "Optimizer", "torch.optim.lr_scheduler": "LRScheduler"}
"""Modules whose classes may be built, and what such a class is a kind of."""
SECTIONS = ("model", "optimizer", "scheduler")
"""The parts of a config that hold what a checkpoint may build; no other part is ever built from one."""
KEYWORDS = {"_target_", "_partial_"}
"""Of Hydra's words those that our configs use; `_args_`, `_convert_` and `_recursive_` are not among them."""
DEPTH, NODES = 32, 1_000_000
"""Far beyond any config; a stranger's may be nested without end, or hold itself."""
PLAIN = (bool, int, float, str, type(None))


def check_config(config: Mapping, trust: Collection[str] = (), source: str | Path = "config") -> None:
    """Judges a whole config from a checkpoint, as plain dicts and lists; nothing in it is resolved or built.

    Args:
        trust: exact dotted names that the user allows besides.
        source: the file, for messages.

    Raises:
        ConfigError: a value that is not plain, an interpolation, endless nesting; in SECTIONS a `_target_` that may
            not be built or another of Hydra's words.
    """
    for value, keys in _walk(config, source):
        if isinstance(value, str) and "${" in value:
            raise _looked_up(source, keys)
        if type(value) is dict:
            _check_node(value, keys, trust, source)


def check_resolved(config: Mapping, source: str | Path) -> None:
    """Whether nothing in a config is left to be looked up: what is judged as text must be what is built.

    Raises:
        ConfigError: an interpolation, a value that is not plain, or endless nesting.
    """
    for value, keys in _walk(config, source):
        if any("${" in str(text) for text in (value if type(value) is dict else [value])):
            raise _looked_up(source, keys)


def check_plain(value: object, source: str | Path) -> None:
    """Whether a value is plain dicts, lists, strings and numbers of a sane depth; raises ConfigError otherwise."""
    for _ in _walk(value, source):
        pass


def check_target(name: object, trust: Collection[str] = (), where: object = None) -> None:
    """Whether a `_target_` may be built: a component, a class of torch, or trusted; raises ConfigError otherwise.

    Nothing but the three modules of torch is ever imported for the answer.
    """
    if not isinstance(name, str):
        raise ConfigError(f"a {type(name).__name__} names no component", where=where)
    if name in COMPONENTS or name in trust or _is_torch_class(name):
        return
    raise ConfigError(
        f"it asks for {name}, which a checkpoint may not build; nothing was built",
        where=where,
        remedy=f"Where you know it and trust the file, load it with trust=[{name!r}].",
    )


def _is_torch_class(name: str) -> bool:
    path, _, attribute = name.rpartition(".")
    if path not in TORCH_MODULES or attribute.startswith("_"):
        return False
    module = importlib.import_module(path)
    found = vars(module).get(attribute)
    return inspect.isclass(found) and issubclass(found, getattr(module, TORCH_MODULES[path]))


def _walk(root: object, source: str | Path) -> Iterator[tuple[object, tuple]]:
    """Every value with the keys that lead to it."""
    waiting: list[tuple[object, tuple]] = [(root, ())]
    count = 0
    while waiting:
        value, keys = waiting.pop()
        count += 1
        if len(keys) > DEPTH or count > NODES:
            raise ConfigError("is nested without end", where=_place(source, keys[:4]))
        if type(value) is dict:
            for name in value:
                if type(name) not in (str, int):
                    raise ConfigError(f"a key is a {type(name).__name__}", where=_place(source, keys))
            waiting += [(inner, (*keys, name)) for name, inner in value.items()]
        elif type(value) is list:
            waiting += [(inner, (*keys, number)) for number, inner in enumerate(value)]
        elif type(value) not in PLAIN:
            raise ConfigError(f"a {type(value).__name__} is no plain value", where=_place(source, keys))
        yield value, keys


def _check_node(node: dict, keys: tuple, trust: Collection[str], source: str | Path) -> None:
    for name, value in node.items():
        where = _place(source, (*keys, name))
        if "${" in str(name):
            raise _looked_up(source, keys)
        if (*keys, name)[0] not in SECTIONS or not isinstance(name, str):
            continue
        if name == "_target_":
            check_target(value, trust, where)
        elif name == "_partial_" and type(value) is not bool:
            raise ConfigError("is neither true nor false", where=where)
        elif name.startswith("_") and name.endswith("_") and name not in KEYWORDS:
            raise ConfigError("is a word of Hydra's that no stored config has", where=where)
        elif name == "device" and "_target_" in node and node["_target_"] not in trust:
            raise ConfigError("a model from a checkpoint is built on the CPU", where=where)


def _looked_up(source: str | Path, keys: tuple) -> ConfigError:
    return ConfigError("is to be looked up elsewhere, which a stored config never is", where=_place(source, keys))


def _place(source: str | Path, keys: tuple) -> str:
    return f"{source}: {'.'.join(map(str, keys))}" if keys else str(source)
