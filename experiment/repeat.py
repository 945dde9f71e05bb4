"""A run once more: its own config, in a folder of its own, and what has changed since in code, packages and data.

A config names what is built: repeat a stranger's run only if you would run the stranger's code.

No torch is imported.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from experiment.resume import stored_config
from schemas.errors import ConfigError, DataError

BESIDE = ("repeat", "resume", "paths.log_dir", "hydra.")
"""What may be typed beside `repeat=RUN`: the rest is the run's own."""


def repeated_config(config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """The config of the run that `config.repeat` names, to be run in another folder.

    Raises:
        ConfigError: there is no such run, its config is damaged, or other settings were typed beside it.
    """
    others = [word for word in overrides if not word.lstrip("+~").startswith(BESIDE)]
    if others:
        what = f"{', '.join(others)} cannot be said beside it"
        raise ConfigError(what, where="repeat", remedy="The run's own config is used; to change it, type its words.")
    folder = Path(config.repeat).expanduser()
    if not (folder / "config.yaml").is_file():
        raise ConfigError(f"there is no run in {config.repeat}", where="repeat", remedy="Name a run's folder.")
    stored = stored_config(folder)
    again = OmegaConf.create(_moved(stored, str(stored["paths"]["run_dir"])))
    again.paths = stored["paths"] | {"run_dir": None, "log_dir": config.paths.log_dir}
    again.repeat, again.resume = str(folder), config.resume
    return again


def _moved(node: object, run_dir: str) -> object:
    """The same config with paths into the old folder leading into the new one."""
    if isinstance(node, Mapping):
        return {key: _moved(inner, run_dir) for key, inner in node.items()}
    if isinstance(node, list):
        return [_moved(inner, run_dir) for inner in node]
    inside = isinstance(node, str) and (node == run_dir or node.startswith(f"{run_dir}/"))
    return "${paths.run_dir}" + node.removeprefix(run_dir) if inside else node


def refuse_other_data(folder: Path, now: Mapping) -> None:
    """Raises DataError where a run would go on with other data or another split than it began with."""
    try:
        then = json.loads((folder / "provenance.json").read_text())
    except (OSError, ValueError):
        return  # it is said by `changes_since`
    for kind in ("data", "split"):
        if then.get(f"{kind}_fingerprint") != now.get(f"{kind}_fingerprint"):
            raise DataError(
                f"the {kind} {'are' if kind == 'data' else 'is'} not what this run began with",
                where=folder,
                remedy="Put back what it was, or start a run of its own.",
            )


def changes_since(folder: Path, now: Mapping) -> list[str]:
    """What differs between a run's provenance and that of its repetition, a line each; empty where nothing does."""
    try:
        then = json.loads((folder / "provenance.json").read_text())
    except (OSError, ValueError):
        return ["its provenance.json cannot be read: nothing can be compared"]
    lines = []
    git = [side.get("git") or {} for side in (then, now)]
    if git[0].get("commit") != git[1].get("commit"):
        lines.append(f"code: commit {git[0].get('commit')} -> {git[1].get('commit')}")
    elif git[0].get("diff") != git[1].get("diff"):
        lines.append("code: other uncommitted changes")
    packages = [side.get("packages") or {} for side in (then, now)]
    for name in dict.fromkeys([*packages[0], *packages[1]]):
        if packages[0].get(name) != packages[1].get(name):
            lines.append(f"package {name}: {packages[0].get(name)} -> {packages[1].get(name)}")
    if then.get("data_fingerprint") != now.get("data_fingerprint"):
        lines.append("data: other contents, so the figures are not comparable")
    elif then.get("split_fingerprint") != now.get("split_fingerprint"):
        lines.append("split: other members, so the figures are not comparable")
    source = [(side.get("init_from") or {}).get("checksum") for side in (then, now)]
    if source[0] != source[1]:
        lines.append("model.init_from: other weights to begin with, so the figures are not comparable")
    for name in ("python", "platform", "device", "host"):
        if then.get(name) != now.get(name):
            lines.append(f"{name}: {then.get(name)} -> {now.get(name)}")
    return lines
