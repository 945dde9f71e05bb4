"""What lies in a run's folder, read so that a missing or damaged file costs its own part of a page and no more."""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

HEADLINE = {"clips": "accuracy", "events": "loss"}
"""The metric that a task's verdict is about, as it stands behind `val/`."""
READER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader: plain values only; libyaml's where there is one."""


@dataclass
class RunFiles:
    """A run's folder as plain values; whatever is not there is empty."""

    path: Path
    config: dict = field(default_factory=dict)
    overrides: list[str] | None = None
    """What the user typed; None where that is not known."""
    provenance: dict = field(default_factory=dict)
    status: dict = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    """A row an epoch, without the baselines' columns; figures that are not finite are NaN."""
    levels: dict[str, dict[str, float]] = field(default_factory=dict)
    """Metric (`val/loss`) -> baseline -> its value, the same at every epoch."""
    architecture: dict = field(default_factory=dict)
    evaluation: dict = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    """The files that could not be read whole, a sentence each."""

    @property
    def state(self) -> str:
        return str(self.status.get("state") or "unknown")

    @property
    def result(self) -> dict:
        return mapping(self.status.get("result"))

    @property
    def test(self) -> dict:
        return mapping(self.result.get("test"))

    @property
    def verdict(self) -> dict:
        """The final verdict, or the provisional one of a run that did not come to its end."""
        return mapping(self.result.get("verdict")) or mapping(self.status.get("verdict"))

    @property
    def task(self) -> str:
        told = self.evaluation.get("task") or at(self.config, "model.task") or at(self.config, "datamodule.task")
        return (
            told
            if isinstance(told, str) and told in HEADLINE
            else ("events" if "events" in self.provenance else "clips")
        )

    @property
    def headline(self) -> str:
        """The metric that the verdict is about: `accuracy` or `loss`."""
        return {"accuracy": "accuracy", "cross-entropy": "loss"}.get(
            str(self.verdict.get("metric")), HEADLINE[self.task]
        )

    @property
    def model(self) -> str:
        return str(at(self.config, "model.name") or self.architecture.get("name") or "model")

    @property
    def data(self) -> str:
        """The data set's name."""
        root = at(self.config, "datamodule.root") or at(self.config, "datamodule.source.root")
        source = str(at(self.config, "datamodule.source._target_") or "").split(".")[-1].removesuffix("Source").lower()
        return str(self.result.get("data") or (root and Path(str(root)).name) or source or "unknown data")

    @property
    def monitor(self) -> str:
        """The metric that chose the best epoch."""
        told = (
            self.result.get("monitor") or at(self.config, "callbacks.best.monitor") or at(self.config, "model.monitor")
        )
        return told if isinstance(told, str) else f"val/{self.headline}"

    @property
    def best(self) -> dict[str, float]:
        """The history's row of the best epoch, by the result or, in a run without one, by the monitored metric."""
        if told := mapping(self.result.get("best")):
            return told
        known = [row for row in self.history if number(row.get(self.monitor)) is not None]
        better = max if rises(self.monitor) else min
        return better(known, key=lambda row: row[self.monitor]) if known else {}

    @property
    def last(self) -> dict[str, float]:
        return mapping(self.result.get("last")) or (self.history[-1] if self.history else {})

    @property
    def best_epoch(self) -> int | None:
        epoch = number(self.best.get("epoch"))
        return None if epoch is None else int(epoch)

    def series(self, metric: str) -> list[tuple[int, float]]:
        """(epoch, value) wherever the metric is a finite number."""
        pairs = ((int(row["epoch"]), number(row.get(metric))) for row in self.history)
        return [(epoch, value) for epoch, value in pairs if value is not None]


def read_run(path: Path) -> RunFiles:
    """Reads whatever of a run is there; raises nothing for what is missing, cut off or of another kind."""
    run = RunFiles(path)
    run.config = _kind(run, "config.yaml", dict) or {}
    typed = _kind(run, "overrides.yaml", list)
    run.overrides = None if typed is None else [str(item) for item in typed]
    for name in ("provenance", "status", "architecture", "evaluation"):
        setattr(run, name, _kind(run, f"{name}.json", dict) or {})
    columns, rows = _metrics(run)
    run.levels = _levels(columns, rows, _parts(run, columns))
    aside = {f"{metric}/{name}" for metric, names in run.levels.items() for name in names}
    run.history = [{name: value for name, value in row.items() if name not in aside} for row in rows]
    return run


def mapping(value: object) -> dict:
    """A dict as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list:
    """A list as it is, and an empty one for anything else."""
    return value if isinstance(value, list) else []


def number(value: object) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e300 < value < 1e300:
        return None
    return value


def at(tree: object, path: str) -> object:
    """What stands under `a.b.c`; None where it ends before."""
    for key in path.split("."):
        tree = mapping(tree).get(key)
    return tree


def rises(metric: str) -> bool:
    """Whether more of a metric is better."""
    return not any(word in metric for word in ("loss", "/ce", "nll", "error", "objective"))


def _kind(run: RunFiles, name: str, kind: type) -> object | None:
    """The content of a YAML or JSON file if it is of that kind."""
    try:
        text = (run.path / name).read_bytes().decode()
        content = json.loads(text) if name.endswith(".json") else yaml.load(text, READER)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        run.damaged.append(f"{name} cannot be read: it is damaged or cut off")
        return None
    if not isinstance(content, kind):
        run.damaged.append(f"{name} does not hold what its name says")
        return None
    return content


def _metrics(run: RunFiles) -> tuple[list[str], list[dict[str, float]]]:
    """The columns and rows of metrics.csv; a row that is cut off or has no epoch is left out, and that is said."""
    try:
        lines = (run.path / "metrics.csv").read_bytes().decode(errors="replace").replace("\0", "").splitlines(True)
    except OSError:
        return [], []
    # A cut-off last figure would still look like a figure.
    whole = [line for line in lines if line.endswith("\n")]
    columns, rows, left_out = [], [], len(lines) - len(whole)
    for line in whole:
        # One at a time: what csv refuses is one line, not the table.
        try:
            cells = next(csv.reader([line]), [])
        except csv.Error:
            cells = []
        if not columns:
            columns = cells
        elif len(cells) == len(columns) and (row := _row(columns, cells)):
            rows.append(row)
        else:
            left_out += 1
    if left_out:
        run.damaged.append(f"{left_out} line{'s' * (left_out > 1)} of metrics.csv cannot be read and are left out")
    return columns, rows


def _row(columns: list[str], cells: list[str]) -> dict[str, float]:
    row = {}
    for name, cell in zip(columns, cells, strict=True):
        try:
            row[name] = float(cell)
        except ValueError:
            continue
    if number(row.get("epoch")) is None:
        return {}
    return row | {name: int(row[name]) for name in ("epoch", "step") if number(row.get(name)) is not None}


def _parts(run: RunFiles, columns: Iterable[str]) -> set[str]:
    """Names of fields and classes, which stand behind a metric as baselines do."""
    parts = {name.split("/", 2)[2] for name in columns if name.startswith("train/") and name.count("/") >= 2}
    parts |= set(mapping(at(run.config, "datamodule.fields"))) | set(mapping(run.test.get("by_field")))
    return {str(part) for part in parts | set(mapping(run.verdict.get("parts")))}


def _levels(columns: list[str], rows: list[dict[str, float]], parts: set[str]) -> dict[str, dict[str, float]]:
    """The columns `<metric>/<baseline>`: the metric is a column of its own, and the figure never changes."""
    levels: dict[str, dict[str, float]] = {}
    for name in columns:
        pieces = name.split("/")
        for cut in range(len(pieces) - 1, 1, -1):
            metric, baseline = "/".join(pieces[:cut]), "/".join(pieces[cut:])
            if metric in columns and baseline not in parts:
                values = {value for row in rows if (value := number(row.get(name))) is not None}
                if len(values) == 1:
                    levels.setdefault(metric, {})[baseline] = values.pop()
                break
    return levels
