"""Going on with a run that was cut off, in its own folder: which run that is, and whether it is the same run.

No torch is imported: which folder is meant must be known before Hydra makes one.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from experiment.configs.newer_keys import with_newer_keys
from experiment.run_folder import FINISHED, RunFolder, config_checksum
from schemas.errors import ConfigError

AUTO = "auto"
NOT_THE_RUN = ("paths.run_dir", "paths.log_dir", "resume", "repeat", "sweep", "hparams_search")
"""Keys that may differ between a run and its continuation: where it lies and how it was asked for."""
SETTLED = {
    "model.init_from": "a run goes on with its own weights",
    "model.lr_scale": "a run goes on with its own parameter groups, which its checkpoints hold",
}
"""Keys that are read when a run begins, and why not later."""


def spelled_out(words: Sequence[str]) -> list[str]:
    """Command-line words with `resume=X` as `resume.source=X`, which is what it is short for."""
    return [f"resume.source={word.removeprefix('resume=')}" if word.startswith("resume=") else word for word in words]


def run_to_resume(config: DictConfig) -> Path | None:
    """The folder of the run that `resume` asks for; None where `auto` finds none, or nothing is asked for.

    `auto` is the newest run of this task and config that has not finished and that no other process is at.

    Raises:
        ConfigError: for a path that holds no run, or one whose config differs (a diff is shown) unless
            resume.allow_changes=true.
    """
    source = config.resume.source
    if source is None:
        return None
    if source == AUTO:
        return _newest_unfinished(config)
    folder = Path(source).expanduser()
    if not (folder / "config.yaml").is_file():
        raise ConfigError(
            f"there is no run in {source}", where="resume", remedy="Name a run's folder, which has a config.yaml."
        )
    stored = stored_config(folder)
    _refuse_what_cannot_go_on(folder, stored, config)
    if (differences := differing(stored, config)) and not config.resume.allow_changes:
        raise ConfigError(
            f"the config is not that of {source}: {'; '.join(differences)}",
            where="resume",
            remedy="Give the same words as then (its overrides.yaml), or say resume.allow_changes=true.",
        )
    _refuse_what_is_settled(differences)
    if not differences and RunFolder.read_status(folder).get("state") == FINISHED:
        remedy = "repeat=RUN runs it once more; more epochs need resume.allow_changes=true."
        raise ConfigError("this run has finished", where="resume", remedy=remedy)
    return folder


def _refuse_what_cannot_go_on(folder: Path, stored: Mapping, config: DictConfig) -> None:
    """A folder that was moved (its best checkpoint is known by its old path), and a run that is counted in steps."""
    began = Path(stored["paths"]["run_dir"])
    if began.resolve() != folder.resolve():
        raise ConfigError(
            f"this run began in {began}, and its checkpoints are known by that path",
            where="resume",
            remedy=f"Put {folder} back there, or use repeat=RUN.",
        )
    if config.trainer.get("max_steps", -1) not in (-1, None):
        what = "a run that is counted in steps goes on with another epoch than it stopped in (Lightning 2.6)"
        raise ConfigError(what, where="trainer.max_steps", remedy="Count in trainer.max_epochs.")


def _refuse_what_is_settled(differences: Sequence[str]) -> None:
    """What a run began with cannot be changed when it goes on, allowed or not."""
    for difference in differences:
        for key, why in SETTLED.items():
            if difference.partition(": ")[0].startswith(key):
                raise ConfigError(f"{why} ({difference})", where=key, remedy=f"A run of its own takes {key}.")


def stored_config(folder: Path) -> dict:
    """A run's resolved config, checked against its checksum, with what components have been asked for since; raises
    ConfigError where it is damaged."""
    path = folder / "config.yaml"
    try:
        stored = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except Exception as error:  # PyYAML and OmegaConf raise many kinds for a damaged file
        what = f"it cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        raise ConfigError(what, where=path, remedy="The checkpoints of this run hold its config too.") from error
    known = RunFolder.read_status(folder).get("config_checksum")
    paths = stored.get("paths") if isinstance(stored, dict) else None
    whole = isinstance(paths, dict) and isinstance(paths.get("run_dir"), str)
    if not whole or (known is not None and known != config_checksum(stored)):
        raise ConfigError(
            "it is not what was written: its checksum differs",
            where=path,
            remedy="The checkpoints of this run hold its config too.",
        )
    return with_newer_keys(stored)


def differing(stored: Mapping, config: DictConfig) -> list[str]:
    """`key: then -> now` for each key in which two resolved configs differ, but for NOT_THE_RUN."""
    now = config.copy()
    now.paths = stored["paths"] | {"data_dir": config.paths.data_dir}
    # `test: null` becomes true or false when a run begins.
    now.test = stored.get("test") if config.test is None else config.test
    then, now = _flat(stored), _flat(OmegaConf.to_container(now, resolve=True))
    keys = [key for key in {**then, **now} if not key.startswith(NOT_THE_RUN)]
    return [f"{key}: {_shown(then, key)} -> {_shown(now, key)}" for key in keys if then.get(key) != now.get(key)]


def _newest_unfinished(config: DictConfig) -> Path | None:
    runs = Path(config.paths.log_dir) / config.model.task / "runs"
    found = []
    for path in runs.glob("*/config.yaml"):
        status = RunFolder.read_status(path.parent)
        if status.get("state") in (None, FINISHED):
            continue
        try:
            stored = stored_config(path.parent)
            same = not differing(stored, config)
            if same:
                _refuse_what_cannot_go_on(path.parent, stored, config)
        except ConfigError:
            continue  # a damaged or moved run is not one to go on with
        same = same and not RunFolder.is_held(path.parent)
        if same:
            found.append((str(status.get("started", "")), path.parent.name, path.parent))
    return max(found)[-1] if found else None


def _flat(node: object, prefix: str = "") -> dict[str, object]:
    """{"a": {"b": 1}} -> {"a.b": 1}; an empty mapping or list is a value."""
    if isinstance(node, Mapping) and node:
        return {k: v for key, inner in node.items() for k, v in _flat(inner, f"{prefix}{key}.").items()}
    return {prefix[:-1]: node}


def _shown(flat: Mapping[str, object], key: str) -> str:
    return json.dumps(flat[key], default=str) if key in flat else "(absent)"
