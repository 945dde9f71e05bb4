"""A run's folder: what it was made of, how it stands and where its files lie."""

import json
import math
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import IO

from omegaconf import DictConfig, OmegaConf

from schemas.errors import ConfigError
from storage import atomic, fingerprint

try:
    import fcntl
except ImportError:  # not on Windows: there a run in progress cannot be told from one that was cut off
    fcntl = None

RUNNING, FINISHED, FAILED, INTERRUPTED, PRUNED = "running", "finished", "failed", "interrupted", "pruned"
LOCK, EVALUATIONS = ".lock", "evaluations"
_held: set[IO] = set()
"""The locks of this process."""


def _let_go_in_child() -> None:
    """A forked worker of a DataLoader outlives a killed run by seconds, and would hold its lock for as long."""
    for lock in _held:
        lock.close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)


class RunFolder:
    """`config.yaml`, `overrides.yaml`, `provenance.json` and `status.json` under one path, each written atomically.

    The folder is held by a lock for as long as this process is at the run.

    Raises:
        ConfigError: another process is at this run.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.existed = (self.path / "config.yaml").is_file()
        self._lock = (self.path / LOCK).open("w")
        if fcntl is not None:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                self._lock.close()
                remedy = "Wait for it, or stop it first."
                raise ConfigError("another process is at this run", where=self.path, remedy=remedy) from error
            except OSError:
                pass  # a file system without locks: there, two processes at one run are not told apart
        _held.add(self._lock)
        self._status: dict = {"state": RUNNING, "started": _now()}

    def release(self) -> None:
        """Lets others go on with this run."""
        _held.discard(self._lock)
        self._lock.close()

    @staticmethod
    def is_held(path: Path) -> bool:
        """Whether a process is at the run in this folder."""
        if fcntl is None or not (path / LOCK).exists():
            return False
        try:
            with (path / LOCK).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    @staticmethod
    def read_status(path: Path) -> dict:
        """status.json; empty where there is none, or none that can be read."""
        try:
            status = json.loads((path / "status.json").read_text())
        except (OSError, ValueError):
            return {}
        return status if isinstance(status, dict) else {}

    def continue_status(self) -> None:
        """Takes up the status of a run that was cut off, notes when it goes on, and removes what was half written."""
        known = self.read_status(self.path)
        self._status |= known | {"state": RUNNING, "resumed": [*known.get("resumed", []), _now()]}
        self._status.pop("why", None)
        for leftover in (*self.path.glob(".*.*.*"), *self.path.glob("checkpoints/.*.unfinished")):
            leftover.unlink()

    def write_config(self, config: DictConfig, overrides: list[str]) -> None:
        """The resolved config, and what the user typed."""
        atomic.write_text(self.path / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
        atomic.write_text(self.path / "overrides.yaml", OmegaConf.to_yaml(OmegaConf.create(overrides)))
        self._status["config_checksum"] = config_checksum(OmegaConf.to_container(config, resolve=True))

    @property
    def config_checksum(self) -> str:
        """Of the config that was written."""
        return self._status["config_checksum"]

    def write_json(self, name: str, content: Mapping) -> None:
        atomic.write_text(self.path / name, json.dumps(_plain(content), indent=1, allow_nan=False) + "\n")

    def write_status(self, changes: Mapping) -> None:
        """Merges `changes` into status.json: state is running, finished, failed, interrupted or pruned."""
        self._status |= dict(changes) | {"updated": _now()}
        self.write_json("status.json", self._status)


def make_log_dir(log_dir: str) -> None:
    """Makes the folder of all runs, which Hydra would fail on with a traceback; raises ConfigError where it cannot."""
    try:
        Path(log_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{log_dir} cannot be made ({error.strerror})", where="paths.log_dir") from error


def config_checksum(config: Mapping) -> str:
    """Names a resolved config."""
    return fingerprint.of_json(config)


def _plain(value: object) -> object:
    """Numbers that JSON does not know (NaN, infinity) become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
