"""Runs read from their folders, by the hundred: only what a table of results needs, and without torch.

A folder that cannot be read is a run too, with the reason why no figure is taken from it.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import yaml

from experiment.run_folder import EVALUATIONS, FINISHED, INTERRUPTED, RUNNING, RunFolder, config_checksum
from models.baselines.verdict import AT_CHANCE
from reports.run_files import HEADLINE, READER, at, mapping, number
from schemas.errors import ConfigError

CUT_OFF, DAMAGED = "cut off", "damaged"
"""States that no run says of itself: `running` though no process is at it, and unreadable."""
NOT_RUNS = ("checkpoints", "tensorboard", "wandb", "mlruns", EVALUATIONS)
"""Folders in which no run lies."""
SECTION = re.compile(r"^(?=[^\s#-])", re.MULTILINE)
"""Where a key of the config itself begins."""


class _UnreadableError(Exception):
    """Why a file of a run tells nothing."""


@dataclass
class Run:
    """What a table of results needs of one run; figures are None where there are none."""

    path: Path
    state: str = DAMAGED
    why: str = ""
    """Why no figure is of this run; empty for one that counts."""
    config: dict = field(default_factory=dict)
    """As it was resolved."""
    data: str = ""
    data_fingerprint: str = ""
    split_fingerprint: str = ""
    commit: str = ""
    monitor: str = ""
    value: float | None = None
    """The monitor at the best epoch."""
    test: float | None = None
    """The headline metric on the test split."""
    opened: bool = False
    """Whether the run opened its test split."""
    evaluated: list[str] = field(default_factory=list)
    """Fingerprints of the splits whose test was opened by `evaluate.py` later, one an evaluation."""
    level: str | None = None
    """The verdict's."""
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)
    """Split -> baseline -> headline metric."""

    @property
    def counts(self) -> bool:
        return not self.why

    @property
    def task(self) -> str:
        return str(at(self.config, "model.task"))

    @property
    def headline(self) -> str:
        """The metric that the verdict, the test and the baselines are about: `accuracy` or `loss`."""
        return HEADLINE.get(self.task, "loss")

    @property
    def seed(self) -> object:
        return self.config.get("seed")

    @property
    def fold(self) -> object:
        """The fold of a cross-validation; None where the split has none."""
        return at(self.config, "datamodule.split.fold")

    @property
    def above_chance(self) -> bool | None:
        return None if self.level is None else self.level != AT_CHANCE


def read_runs(folders: Sequence[str | Path]) -> list[Run]:
    """Every run under these folders, each once; a link is followed.

    Raises:
        ConfigError: where a folder is not there, or none of them holds a run.
    """
    for folder in folders:
        if not Path(folder).is_dir():
            raise ConfigError("there is no such folder", where=folder, remedy="Name folders that hold runs.")
    runs, seen = [], set()
    for folder in folders:
        runs += _runs_under(Path(folder), seen)
    if not runs:
        raise ConfigError(
            "no run was found, that is a folder with config.yaml and status.json",
            where=", ".join(map(str, folders)),
            remedy="train.py writes them to logs/<task>/runs and logs/<task>/multiruns.",
        )
    return runs


def _runs_under(top: Path, seen: set[tuple[int, int]]) -> Iterator[Run]:
    unreadable: list[OSError] = []
    for place, inner, files in os.walk(top, followlinks=True, onerror=unreadable.append):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            inner.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        inner[:] = sorted(name for name in inner if name not in NOT_RUNS and not name.startswith("."))
        if "config.yaml" in files or "status.json" in files:
            yield read_run(Path(place))
    for error in unreadable:
        yield Run(Path(error.filename), why=f"the folder cannot be read ({error.strerror})")


def read_run(path: Path) -> Run:
    """The run in a folder; what is damaged is said in `why`, and nothing is raised."""
    run = Run(path)
    try:
        _read_origin(run)
        run.config = _read_config(path / "config.yaml")
        status = _read_json(path / "status.json")
        if status.get("config_checksum") not in (None, config_checksum(run.config)):
            raise _UnreadableError("config.yaml is not what was written: its checksum differs")
        _read_status(run, status)
    except _UnreadableError as reason:
        run.state, run.why = DAMAGED, str(reason)
    if not run.counts:
        run.opened = run.opened or _judged_on_test(path)
    later = [RunFolder.read_status(folder) for folder in sorted(path.glob(f"{EVALUATIONS}/*"))]
    run.evaluated = [str(status.get("split_fingerprint")) for status in later if status.get("on") == "test"]
    return run


def _read_origin(run: Run) -> None:
    """Data, split and code; a run that failed early has none."""
    if not (run.path / "provenance.json").exists():
        return
    known = _read_json(run.path / "provenance.json")
    run.data_fingerprint = str(known.get("data_fingerprint") or "")
    run.split_fingerprint = str(known.get("split_fingerprint") or "")
    run.commit = str(at(known, "git.commit") or "")


def _read_status(run: Run, status: Mapping) -> None:
    run.state = str(status.get("state"))
    result = mapping(status.get("result"))
    verdict = mapping(result.get("verdict")) or mapping(status.get("verdict"))
    run.level = verdict.get("level")
    run.opened = bool(result.get("test")) or verdict.get("split") == "test"
    if run.state == FINISHED:
        _read_result(run, result)
    else:
        run.why = _why_unfinished(run, status)


def _why_unfinished(run: Run, status: Mapping) -> str:
    """A state that is not known here is the run's own word for why it ended."""
    if not isinstance(status.get("state"), str):
        run.state = DAMAGED
        return "status.json says no state"
    so_far = f"after epoch {status.get('epoch', 0)} of {status.get('epochs') or 'unknown'}"
    if run.state == RUNNING and not RunFolder.is_held(run.path):
        run.state = CUT_OFF
        return f"{so_far}, and no process here is at it"
    if run.state in (RUNNING, INTERRUPTED):
        return so_far
    return " ".join(str(status.get("why") or f"{so_far}, without a reason").split())


def _read_result(run: Run, result: Mapping) -> None:
    run.data, run.monitor = str(result.get("data") or "unknown data"), str(result.get("monitor") or "")
    run.value = number(result.get("best_value"))
    run.test = number(at(result, f"test.metrics.test/{run.headline}"))
    levels = {split: mapping(known) for split, known in mapping(result.get("baselines")).items()}
    run.baselines = {
        split: {n: v for n, v in known.items() if number(v) is not None} for split, known in levels.items()
    }
    if not run.monitor:
        run.why = "status.json has no result"
    elif run.value is None:
        run.why = f"its {run.monitor} is not a finite number"
    elif not run.data_fingerprint or not run.split_fingerprint:
        run.why = "provenance.json does not name its data and split"


def _judged_on_test(path: Path) -> bool:
    """Whether a run that did not come to its end had opened the test split before."""
    try:
        return _read_json(path / "evaluation.json").get("split") == "test"
    except _UnreadableError:
        return False


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError as error:
        raise _UnreadableError(f"{path.name} is missing") from error
    except (OSError, UnicodeError) as error:
        raise _UnreadableError(f"{path.name} cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise _UnreadableError(f"{path.name} is damaged or cut off") from error
    return _mapping_of(path, content)


def _read_config(path: Path) -> dict:
    text = _read_text(path)
    try:
        return _mapping_of(path, _by_section(text) or yaml.load(text, READER))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _UnreadableError(f"{path.name} is damaged or cut off") from error


def _mapping_of(path: Path, content: object) -> dict:
    if not isinstance(content, dict):
        raise _UnreadableError(f"{path.name} does not hold what its name says")
    return content


def _by_section(text: str) -> dict | None:
    """A config read key by key: runs of a sweep have most of them in common, and each text is parsed once.

    None where that cannot be done. The parts are shared between runs: they are not to be changed.
    """
    config: dict = {}
    for part in filter(str.strip, SECTION.split(text)):
        section = _section(part)
        if section is None or len(section) != 1:
            return None
        config |= section
    return config


@lru_cache(maxsize=4096)
def _section(text: str) -> dict | None:
    try:
        section = yaml.load(text, READER)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return section if isinstance(section, dict) else None
