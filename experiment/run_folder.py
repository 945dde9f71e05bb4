"""A run's folder: what it was made of, how it stands and where its files lie."""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from storage import atomic


class RunFolder:
    """`config.yaml`, `overrides.yaml`, `provenance.json` and `status.json` under one path, each written atomically."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self._status: dict = {"state": "running", "started": _now()}

    def write_config(self, config: DictConfig, overrides: list[str]) -> None:
        """The resolved config, and what the user typed."""
        atomic.write_text(self.path / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
        atomic.write_text(self.path / "overrides.yaml", OmegaConf.to_yaml(OmegaConf.create(overrides)))

    def write_json(self, name: str, content: Mapping) -> None:
        atomic.write_text(self.path / name, json.dumps(_plain(content), indent=1, allow_nan=False) + "\n")

    def write_status(self, changes: Mapping) -> None:
        """Merges `changes` into status.json: state is running, finished, failed or interrupted."""
        self._status |= dict(changes) | {"updated": _now()}
        self.write_json("status.json", self._status)


def _plain(value: object) -> object:
    """Numbers that JSON does not know (NaN, infinity) become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
