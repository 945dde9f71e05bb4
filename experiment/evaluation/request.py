"""What is asked of `evaluate.py`: its words, read before torch is imported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from schemas.errors import ConfigError

SPLITS = {"test": "test", "val": "validation"}
"""What may be evaluated, and what a person calls it."""
WEIGHTS = ("equal", "learned")
"""How the members of an ensemble are weighed."""
MOST_CROPS = 1000
"""Far beyond use; each crop is one more pass over the data."""
KEYS = ("run", "on", "checkpoint", "crops", "flip", "weights", "trust", "paths.data_dir", "datamodule")


@dataclass(frozen=True)
class Request:
    """Checked as far as that is possible without opening anything.

    Raises:
        ConfigError: for a word that cannot be used.
    """

    runs: tuple[Path, ...]
    on: str = "test"
    checkpoint: str = "best"
    crops: int = 1
    flip: bool = False
    weights: str = "equal"
    """Of the members of an ensemble: equal, or learned on validation."""
    trust: tuple[str, ...] = ()
    data_dir: str | None = None
    datamodule: str | None = None
    """Another data set, by its name under conf/datamodule."""
    changes: Mapping[str, object] = field(default_factory=dict)
    """Key below `datamodule` -> value."""

    @classmethod
    def from_words(cls, words: Sequence[str]) -> "Request":
        """Reads `key=value` words; of a path nothing is parsed, other values are YAML."""
        given, changes = _split_words(words)
        if "run" not in given:
            raise ConfigError("no run is named", where="run", remedy="As run=logs/clips/runs/RUN, or run=[A,B,C].")
        if (on := given.get("on", "test")) not in SPLITS:
            raise ConfigError(f"there is no split {on!r} to evaluate", where="on", remedy="Use on=test or on=val.")
        return cls(
            runs=(runs := _read_runs(given["run"])),
            on=on,
            checkpoint=given.get("checkpoint", "best"),
            crops=_whole_number("crops", given.get("crops", "1"), MOST_CROPS),
            flip=_switch("flip", given.get("flip", "false")),
            weights=_read_weights(given.get("weights", "equal"), len(runs)),
            trust=tuple(given["trust"].split(",")) if "trust" in given else (),
            data_dir=given.get("paths.data_dir"),
            datamodule=given.get("datamodule"),
            changes={key: _read_yaml(f"datamodule.{key}", value) for key, value in changes.items()},
        )


def _split_words(words: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    given: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not value or not (key in KEYS or key.startswith("datamodule.")):
            raise ConfigError(f"{word!r} cannot be used", remedy=f"Keys: {', '.join(KEYS)}, datamodule.KEY.")
        if key in given:
            raise ConfigError("it is given twice", where=key, remedy="Several runs are run=[A,B,C].")
        given[key] = value
    prefix = "datamodule."
    return (
        {key: value for key, value in given.items() if key in KEYS},
        {key.removeprefix(prefix): value for key, value in given.items() if key.startswith(prefix)},
    )


def _read_runs(text: str) -> tuple[Path, ...]:
    """One folder, or several between commas, which a folder's own path may have too."""
    whole = text if _is_run(text) else text.removeprefix("[").removesuffix("]")
    runs, name = [], ""
    for piece in whole.split(","):
        name = f"{name},{piece}" if name else piece
        if _is_run(name):
            runs.append(Path(name.strip()).expanduser())
            name = ""
    if name:
        raise ConfigError("there is no run here", where=name, remedy="Name a run's folder, which has a config.yaml.")
    if len({run.resolve() for run in runs}) < len(runs):
        raise ConfigError("a run is named twice", where="run", remedy="Name each member once.")
    return tuple(runs)


def _is_run(name: str) -> bool:
    return (Path(name.strip()).expanduser() / "config.yaml").is_file()


def _read_weights(text: str, runs: int) -> str:
    if text not in WEIGHTS:
        raise ConfigError(f"{text!r} is no way to weigh", where="weights", remedy=f"Ways: {', '.join(WEIGHTS)}.")
    if text == "learned" and runs == 1:
        raise ConfigError("one run has nothing to weigh", where="weights", remedy="Name several, as run=[A,B,C].")
    return text


def _whole_number(key: str, text: str, most: int) -> int:
    # The length first: Python reads no number of thousands of digits.
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and 1 <= int(text) <= most):
        shown = text if len(text) < 20 else f"{text[:20]}..."
        raise ConfigError(f"{shown!r} is no whole number from 1 to {most}", where=key, remedy=f"As {key}=5.")
    return int(text)


def _switch(key: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ConfigError(f"{text!r} is neither true nor false", where=key)
    return text.lower() == "true"


def _read_yaml(key: str, text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError("is no valid YAML", where=key, remedy="Put text in quotes: KEY='\"text\"'.") from error
