"""What the keys of an event config must be to each other: fields, streams, splits in time, and options naming fields.

As `cross_rules`; which values a field has is known only when the data are read.
"""

import difflib
from collections.abc import Callable, Mapping

from experiment.configs.signatures import signature_of
from schemas.errors import ConfigError
from schemas.events import KINDS, ROLES

FIELD_SPEC = "datamodules.events.vocabulary.FieldSpec"


def _fields(config: Mapping) -> dict[str, Mapping]:
    return {name: settings or {} for name, settings in (config["datamodule"].get("fields") or {}).items()}


def _dynamic(config: Mapping) -> list[str]:
    """The fields that are predicted."""
    return [name for name, settings in _fields(config).items() if settings.get("role", "dynamic") == "dynamic"]


def fields_are_described(config: Mapping) -> None:
    """Each field by keys that a field has, a kind and a role that there are, and edges where it is a gap."""
    known = [name for name in signature_of(FIELD_SPEC).arguments if name != "name"]
    for name, settings in _fields(config).items():
        where = f"datamodule.fields.{name}"
        for key in settings:
            if key not in known:
                close = difflib.get_close_matches(str(key), known, n=1)
                remedy = f"Do you mean {close[0]}?" if close else f"Keys: {', '.join(known)}."
                raise ConfigError("there is no such key", where=f"{where}.{key}", remedy=remedy)
        for key, value, values in (
            ("kind", settings.get("kind", "category"), KINDS),
            ("role", settings.get("role", "dynamic"), ROLES),
        ):
            if value not in values:
                raise ConfigError(
                    f"{value!r} is no {key}", where=f"{where}.{key}", remedy=f"Known: {', '.join(values)}."
                )
        _check_edges(settings, where)
    if _fields(config) and not _dynamic(config):
        raise ConfigError("no field is dynamic", where="datamodule.fields", remedy="Name one to predict.")


def _check_edges(settings: Mapping, where: str) -> None:
    edges, gap = settings.get("edges"), settings.get("kind") == "gap"
    if gap != (edges is not None):
        what = "edges belong to the kind gap, and every gap needs them"
        raise ConfigError(what, where=f"{where}.edges", remedy="Seconds: [0, 60].")
    if edges is None:
        return
    numbers = isinstance(edges, list) and all(isinstance(e, int | float) and not isinstance(e, bool) for e in edges)
    if not numbers or edges[:1] != [0] or sorted(set(edges)) != edges:
        what = f"{edges} are not seconds that rise from 0"
        raise ConfigError(what, where=f"{where}.edges", remedy="As [0, 60, 3600].")


def streams_are_described(config: Mapping) -> None:
    """Each stream by a field that is known at once, or by the sequence."""
    fields, sequence = _fields(config), config["datamodule"].get("sequence")
    for name, settings in (config["datamodule"].get("streams") or {}).items():
        where = f"datamodule.streams.{name}"
        if settings is None:
            continue
        if not isinstance(settings, Mapping) or "key" not in settings or not set(settings) <= {"key", "groups"}:
            remedy = "As {key: FIELD, groups: context}; groups may be left out."
            raise ConfigError(f"{settings} describes no stream", where=where, remedy=remedy)
        key, groups = settings["key"], settings.get("groups", "context")
        if groups not in ("context", "all"):
            raise ConfigError(f"{groups!r} is neither context nor all", where=f"{where}.groups")
        if key == sequence and groups == "all":
            what = "a stream of the own sequence has one group"
            raise ConfigError(what, where=f"{where}.groups", remedy="Leave groups out.")
        if key != sequence and key not in list(fields):
            what = f"there is no field {key!r}, nor is it datamodule.sequence {sequence!r}"
            raise ConfigError(what, where=f"{where}.key", remedy=f"Fields: {', '.join(fields)}.")
        if key != sequence and fields[key].get("known_at") is not None:
            what = f"{key!r} is known only later, so that its groups would tell it too early"
            raise ConfigError(what, where=f"{where}.key", remedy="Key the stream on another field.")


def options_name_fields(config: Mapping) -> None:
    """`copy`, `order`, `impossible` and the loss's weights name fields that are predicted."""
    model, dynamic = config["model"], _dynamic(config)
    weights = (model.get("loss") or {}).get("weights") or {}
    for key, names in (
        ("model.copy", model.get("copy")),
        ("model.order", model.get("order")),
        ("model.impossible", list(model.get("impossible") or {})),
        ("model.loss.weights", list(weights)),
    ):
        if names is None:
            continue
        if not isinstance(names, list):
            raise ConfigError(f"{names!r} is no list", where=key, remedy=f"Write [{names}].")
        for name in names:
            if name not in dynamic:
                remedy = f"Dynamic fields: {', '.join(dynamic)}."
                raise ConfigError(f"there is no dynamic field {name!r}", where=key, remedy=remedy)
            if names.count(name) > 1:
                raise ConfigError(f"field {name!r} stands there twice", where=key, remedy="Name it once.")
    for name, values in (model.get("impossible") or {}).items():
        if not isinstance(values, list):
            raise ConfigError(f"{values!r} is no list", where=f"model.impossible.{name}", remedy=f"Write [{values}].")
    if weights and not any(weights.get(name, 1) for name in dynamic):
        what = "every field has a weight of 0"
        raise ConfigError(what, where="model.loss.weights", remedy="Leave one that is learned.")


def chain_is_whole(config: Mapping) -> None:
    """Chained heads have a layer of their own and an order of all fields; independent ones have no order."""
    model = config["model"]
    order, heads = model.get("order"), model.get("heads")
    if heads == "chained" and model.get("head_width") == 0:
        what = "chained heads need a width, model.head_width is 0"
        raise ConfigError(what, where="model.head_width", remedy="Try 128, or model.heads=independent.")
    if order is None:
        return
    if heads == "independent":
        what = "independent heads have no order"
        raise ConfigError(what, where="model.order", remedy="Use model.heads=chained, or model.order=null.")
    if missing := [name for name in _dynamic(config) if name not in order]:
        raise ConfigError("the order leaves fields out", where="model.order", remedy=f"Add {', '.join(missing)}.")


def streams_attend_as_vectors(config: Mapping) -> None:
    """Layers among streams take one vector a stream."""
    model = config["model"]
    if model.get("stream_attention") and model.get("memory") == "full":
        what = f"{model['stream_attention']} layers among streams need one vector each, and model.memory is full"
        raise ConfigError(what, where="model.stream_attention", remedy="Use model.memory=last, or stream_attention=0.")


def splits_follow_in_time(config: Mapping) -> None:
    """Training, validation and test are one after another."""
    split = config["datamodule"].get("split") or {}
    keys = [key for key in ("val_from", "test_from") if key in split]
    if not keys:
        return
    import numpy as np  # reads dates as the split itself will; few configs have any

    moments = {}
    for key in keys:
        try:
            moments[key] = np.datetime64(str(split[key]), "us")
        except ValueError:
            what = f"{split[key]!r} is no date"
            raise ConfigError(what, where=f"datamodule.split.{key}", remedy='As in "2013-09-01".') from None
    if len(moments) == 2 and not moments["val_from"] < moments["test_from"]:
        what = f"val_from {split['val_from']} is not before test_from {split['test_from']}"
        raise ConfigError(what, where="datamodule.split", remedy="Training, validation and test follow in time.")


def column_names_the_splits(config: Mapping) -> None:
    """A column's words for train, val and test are three."""
    given = (config["datamodule"].get("split") or {}).get("names")
    if given is None:
        return
    where = "datamodule.split.names"
    if unknown := sorted(set(given) - {"train", "val", "test"}):
        raise ConfigError(f"{', '.join(unknown)}: no such split", where=where, remedy="Keys: train, val, test.")
    names = {name: str(given.get(name, name)) for name in ("train", "val", "test")}
    if len(set(names.values())) < len(names):
        words = ", ".join(f"{name} {word!r}" for name, word in names.items())
        what = f"two splits are called the same: {words}"
        raise ConfigError(what, where=where, remedy="No event can be in two splits.")


EVENT_RULES: tuple[Callable[[Mapping], None], ...] = (
    fields_are_described,
    streams_are_described,
    options_name_fields,
    chain_is_whole,
    streams_attend_as_vectors,
    splits_follow_in_time,
    column_names_the_splits,
)
"""In the order in which they are judged."""
