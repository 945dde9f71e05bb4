"""Going on from another run's weights: what is taken of them, and what of the net is frozen.

Only when a run begins: one that was cut off goes on from its own checkpoint, and no result needs the source.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import lightning as L
from omegaconf import DictConfig, OmegaConf
from rich import get_console
from torch import Tensor, nn

from callbacks.frozen import KeepStill
from callbacks.health.naming import SHOWN, listed
from experiment.checkpoints.file import read_checkpoint, record_of
from experiment.checkpoints.loading import epochs_of, find_checkpoint, weights_of
from experiment.checkpoints.registry import check_plain
from lightning_modules.parameter_groups import under
from reports.run_files import at, mapping
from schemas.errors import ConfigError
from storage import fingerprint

NO_SHAPE = ("task", "monitor", "init_from")
"""Keys of a model's config that say nothing of its tensors."""
FEW = 4
"""Differences between two configs that one line holds."""
LONGEST = 60
"""Characters of a value out of another's config."""


def fine_tune(
    config: DictConfig, module: L.LightningModule, schema: Mapping, checkpoint: Path | None
) -> tuple[dict, list[L.Callback]]:
    """Gives a module's net the weights of `model.init_from`, and freezes what `model.freeze` names.

    Args:
        schema: of the data, as a checkpoint has it.
        checkpoint: of this very run, where it goes on: the source is not opened then.

    Returns:
        What provenance says of the source (`init_from`, or nothing where there is none), and the callbacks that the
        frozen parts need.

    Raises:
        CheckpointError: the source cannot be read.
        ConfigError: nothing of it fits, a prefix is of no parameter, everything is frozen, or frozen weights would stay
            as they were drawn at random.
    """
    model = OmegaConf.to_container(config.model, resolve=True)
    names = [name for name, _ in module.net.named_parameters()]
    frozen = model.get("freeze") or []
    for key, prefixes in (("freeze", frozen), ("lr_scale", model.get("lr_scale") or {})):
        _refuse_unknown(prefixes, names, f"model.{key}")
    still = _freeze(module, frozen) if frozen else []
    source = {}
    if model.get("init_from") is not None and checkpoint is not None:
        known = record_of(read_checkpoint(checkpoint), checkpoint)["provenance"]
        source = {"init_from": known["init_from"]} if "init_from" in known else {}
    elif model.get("init_from") is not None:
        source = {"init_from": _take_weights(module.net, model, schema)}
        _refuse_random(frozen, module.net, source["init_from"]["taken"])
    return source, [KeepStill(still)] if still else []


def _take_weights(net: nn.Module, model: Mapping, schema: Mapping) -> dict:
    """Copies every tensor that the source has under the same name, in the same shape; what provenance says of it."""
    path = find_checkpoint(model["init_from"])
    content = read_checkpoint(path)
    record, weights, own = record_of(content, path), weights_of(content, path), net.state_dict()
    for part in ("config", "schema", "provenance"):
        check_plain(record[part], f"{path}: assay.{part}")
    taken = _fitting(weights, own)
    there = mapping(at(record["config"], "model"))
    if not taken:
        unlike = "; ".join(_unlike(there, model)) or "`python describe.py FILE` shows what it holds"
        what = f"none of this model's {len(own)} tensors fits: not one of {path} has its name and shape"
        raise ConfigError(what, where="model.init_from", remedy=f"{unlike}.")
    net.load_state_dict({name: weights[name] for name in taken}, strict=False)
    source = {
        "checkpoint": str(path.resolve()),
        "checksum": fingerprint.of_file(path),
        "commit": at(record["provenance"], "git.commit"),
        "model": _told(there.get("name")),
        "epoch": epochs_of(content, path),
        "schema_differs": [key for key, value in schema.items() if record["schema"].get(key) != value],
        "taken": taken,
        "fresh": [_fresh(name, tensor, weights.get(name)) for name, tensor in own.items() if name not in taken],
        "left_there": [name for name in weights if name not in own],
    }
    _say(source, len(own), _unlike(there, model))
    return source


def _fitting(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """Names that both have, with tensors of one shape and type."""
    fitting = [name for name, tensor in own.items() if name in weights and _alike(weights[name], tensor)]
    # BatchNorm's count of its batches fits any other: it goes along with the statistics that it is of.
    layers = {name.rpartition(".")[0] for name in fitting if own[name].ndim}
    return [name for name in fitting if own[name].ndim or name.rpartition(".")[0] in layers]


def _alike(one: Tensor, other: Tensor) -> bool:
    return (one.shape, one.dtype) == (other.shape, other.dtype)


def _fresh(name: str, here: Tensor, there: Tensor | None) -> str:
    if there is None:
        return f"{name} {list(here.shape)}, not there"
    if _alike(there, here):
        return f"{name}, of a layer that is fresh"
    if there.shape == here.shape:
        return f"{name} {here.dtype}, there {there.dtype}"
    return f"{name} {list(here.shape)}, there {list(there.shape)}"


def _unlike(there: Mapping, here: Mapping) -> list[str]:
    """`model.spatial_dim is 16, there 64`: options and components in which two models differ."""
    told = {f"model.{key}": (_told(value), _told(there.get(key))) for key, value in here.items() if key not in NO_SHAPE}
    pairs = ((key, mine, theirs) for key, (mine, theirs) in told.items() if None not in (mine, theirs))
    return [f"{key} is {mine}, there {theirs}" for key, mine, theirs in pairs if mine != theirs][:FEW]


def _told(value: object) -> str | None:
    """Whole numbers, words and the class of a component, on one short line; None for what changes no shape."""
    if isinstance(value, Mapping):
        value = str(value.get("_target_", "")).rpartition(".")[2] or None
    known = isinstance(value, int | str)
    return " ".join(str(value).split())[:LONGEST] if known else None


def _say(source: Mapping, total: int, unlike: Sequence[str]) -> None:
    """What was taken and what was not, once."""
    lines = [
        f"Begins with {len(source['taken'])} of {total} tensors of {source['checkpoint']} "
        f"({source['model']}, epoch {source['epoch']})"
    ]
    if source["fresh"]:
        rest = len(source["fresh"]) - SHOWN
        more = f"; and {rest} more, which provenance.json lists" if rest > 0 else ""
        lines.append(f"  fresh: {'; '.join(source['fresh'][:SHOWN])}{more}")
    if len(source["taken"]) * 2 < total and unlike:
        lines.append(f"  Most do not fit: {'; '.join(unlike)}.")
    if source["schema_differs"]:
        told = ", ".join(source["schema_differs"])
        lines.append(f"  Other data there ({told}): what has the same name and shape was taken all the same.")
    get_console().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _freeze(module: L.LightningModule, prefixes: Sequence[str]) -> list[str]:
    """Names of the modules that are to stay still; the health check of gradients reads `known_unused`."""
    net = module.net
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and not _covered(name, prefixes))
    if not any(parameter.requires_grad for parameter in net.parameters()):
        what = f"{', '.join(prefixes)}: that is everything, and nothing is left to train"
        raise ConfigError(what, where="model.freeze", remedy="Name less of the net.")
    module.known_unused = tuple(prefixes)
    still = {name: inner for name, inner in net.named_modules() if _covered(name, prefixes) or _all_frozen(inner)}
    for inner in still.values():
        if isinstance(inner, nn.RNNBase):
            inner.dropout = 0.0  # it stays in training mode: `callbacks.frozen`
    return list(still)


def _all_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def _covered(name: str, prefixes: Collection[str]) -> bool:
    return any(under(name, prefix) for prefix in prefixes)


def _refuse_random(frozen: Sequence[str], net: nn.Module, taken: Collection[str]) -> None:
    """Frozen weights that were not taken would stay as they were drawn."""
    random = [name for name in net.state_dict() if _covered(name, frozen) and name not in taken]
    if random:
        what = f"{listed(random)}: frozen, and not among what was taken from the source"
        raise ConfigError(what, where="model.freeze", remedy="Frozen at random they would never learn: name less.")


def _refuse_unknown(prefixes: Collection[str], names: Sequence[str], where: str) -> None:
    for prefix in prefixes:
        if not any(under(name, prefix) for name in names):
            remedy = f"There are: {listed(sorted(_prefixes_beside(prefix, names)))}."
            raise ConfigError(f"no parameter's name begins with {prefix!r}", where=where, remedy=remedy)


def _prefixes_beside(prefix: str, names: Sequence[str]) -> Iterator[str]:
    """What could stand in its place: the parts of the deepest module that it names rightly."""
    parent = prefix
    while parent and not any(under(name, parent) for name in names):
        parent = parent.rpartition(".")[0]
    depth = parent.count(".") + 2 if parent else 1
    yield from {".".join(name.split(".")[:depth]) for name in names if not parent or under(name, parent)}
