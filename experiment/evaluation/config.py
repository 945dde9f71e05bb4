"""The config of a run with the data that it is evaluated on: its own, moved or others; no torch is imported."""

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiment.checkpoints.registry import check_resolved
from experiment.configs.compose import CONF, check_config, compose_config, options_of
from experiment.configs.override_words import quoted
from experiment.evaluation.request import Request
from experiment.resume import stored_config
from schemas.errors import ConfigError, DataError

READ_BY_THE_MODEL = ("frames", "channels")
"""Of a clip datamodule: what the model was trained to read, whatever the data."""
KEPT = (*READ_BY_THE_MODEL, "batch_size", "num_workers")
"""Of the run's own datamodule where another one takes its place."""
PLACES = ("root", "source.path")
"""Keys of a datamodule that name what it reads: a store's folder, a log."""


def evaluated_config(run: Path, request: Request) -> DictConfig:
    """The config of a run with the data that it is to be evaluated on, resolved.

    Raises:
        ConfigError: it is damaged, a change cannot be used, something is to be looked up, or the data settings build
            what is neither this project's nor trusted: what comes with a stranger's run folder does not run.
        DataError: the run's own data are no longer where it read them.
    """
    stored = stored_config(run)
    check_resolved(stored, run / "config.yaml")
    if not isinstance(stored.get("datamodule"), dict):
        raise ConfigError("it has no data settings", where=run / "config.yaml")
    config = OmegaConf.create(stored)
    if request.datamodule is not None:
        config.datamodule = _other_data(config, request)
    elif request.data_dir is not None:
        config.datamodule = _moved(config, request.data_dir)
    for key, value in request.changes.items():
        _change(config.datamodule, key, value)
    config.datamodule = _resolved(config)
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise ConfigError("has no value", where=", ".join(missing), remedy="Give it one on the command line.")
    _refuse_unknown_code(config.datamodule, request.trust, run)
    _refuse_absent_data(config, request)
    if request.datamodule is not None or request.changes:
        # Callbacks and loggers have no part in it, and a run of long ago may have others than there are now.
        check_config(OmegaConf.merge(config, {"callbacks": None, "logger": None}, {"callbacks": {}, "logger": {}}))
    return config


def _other_data(config: DictConfig, request: Request) -> dict:
    """The data set of that name, read as the run read its own."""
    if request.datamodule not in options_of("datamodule"):
        remedy = f"Known: {', '.join(options_of('datamodule'))}."
        raise ConfigError(f"there is no {request.datamodule!r}", where="datamodule", remedy=remedy)
    where = quoted(request.data_dir or config.paths.data_dir)
    other = compose_config([f"datamodule={request.datamodule}", f"paths.data_dir={where}"], judged=False)
    plain = OmegaConf.to_container(other, resolve=True)["datamodule"]
    if plain["task"] == config.datamodule.task == "clips":
        plain |= {key: config.datamodule[key] for key in KEPT}
    return plain


def _moved(config: DictConfig, data_dir: str) -> object:
    """The run's own data below another folder than then."""
    old, found = str(config.paths.data_dir), []

    def move(node: object) -> object:
        if isinstance(node, dict):
            return {key: move(inner) for key, inner in node.items()}
        if isinstance(node, list):
            return [move(inner) for inner in node]
        if isinstance(node, str) and (rest := _below(node, old)) is not None:
            found.append(node)
            return data_dir.rstrip("/") + rest
        return node

    moved = move(OmegaConf.to_container(config.datamodule))
    if not found:
        places = [f"{key}=PLACE, which was {place}" for key, place in _places(config.datamodule)]
        remedy = f"Say datamodule.{places[0]}." if places else None
        raise ConfigError(f"the run's data does not lie below {old}", where="paths.data_dir", remedy=remedy)
    return moved


def _below(path: str, folder: str) -> str | None:
    """What follows the folder in a path that is it or lies below it, be the folder's name relative to here or not."""
    for start in (folder.rstrip("/"), os.path.abspath(folder)):
        if path == start or path.startswith(f"{start}/"):
            return path.removeprefix(start)
    return None


def _places(datamodule: DictConfig) -> list[tuple[str, str]]:
    """Key below `datamodule` and path of what it reads."""
    found = [(key, OmegaConf.select(datamodule, key)) for key in PLACES]
    return [(key, place) for key, place in found if isinstance(place, str)]


def _refuse_absent_data(config: DictConfig, request: Request) -> None:
    """Raises DataError where the run's own data were moved; of a place that was typed, the datamodule speaks."""
    if request.datamodule is not None or request.data_dir is not None or config.datamodule.get("generate") is not None:
        return
    for key, place in _places(config.datamodule):
        if Path(place).expanduser().exists() or key in request.changes or key.split(".")[0] in request.changes:
            continue
        ways, rest = [f"datamodule.{key}=PLACE"], _below(place, str(config.paths.data_dir))
        if rest:
            ways.insert(0, f"paths.data_dir=FOLDER with FOLDER{rest} in it")
        what = "the run read its data here, and nothing is here now"
        if not Path(place).expanduser().is_absolute():
            what += f" (seen from {Path.cwd()})"
        raise DataError(what, where=place, remedy=f"Say where they are: {', or '.join(ways)}.")


def _change(datamodule: DictConfig, key: str, value: object) -> None:
    where, known = f"datamodule.{key}", list(_keys(datamodule))
    if datamodule.task == "clips" and key in READ_BY_THE_MODEL:
        raise ConfigError("the model reads what it was trained to read", where=where, remedy="Leave it out.")
    if key not in known:
        close = difflib.get_close_matches(key, known, n=1)
        raise ConfigError("there is no such key", where=where, remedy=f"Did you mean {close[0]}?" if close else None)
    OmegaConf.update(datamodule, key, value, merge=False)


def _keys(node: DictConfig, prefix: str = "") -> Iterator[str]:
    for name in node:
        yield f"{prefix}{name}"
        inner = node._get_node(name)
        if isinstance(inner, DictConfig) and not inner._is_none():
            yield from _keys(inner, f"{prefix}{name}.")


def _resolved(config: DictConfig) -> dict:
    """The data settings as they will be built: a change that was typed may look up other keys."""
    try:
        return OmegaConf.to_container(config.datamodule, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(" ".join(str(error).split()), where="datamodule") from error


def _refuse_unknown_code(datamodule: DictConfig, trust: Sequence[str], run: Path) -> None:
    shipped = {name for path in (CONF / "datamodule").rglob("*.yaml") for name in _targets(yaml.safe_load(path.open()))}
    for name in _targets(OmegaConf.to_container(datamodule)):
        if name not in shipped and name not in trust:
            what = f"its data settings ask for {name}, which is no part of assay; nothing was built"
            raise ConfigError(what, where=run, remedy=f"Where you know it and trust the run: trust={name}.")


def _targets(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield str(node["_target_"])
        node = list(node.values())
    for inner in node if isinstance(node, list) else ():
        yield from _targets(inner)
