"""A file's page: what its parts say, and where they disagree."""

from collections.abc import Mapping
from pathlib import Path

from reports.describe import disagreements
from reports.describe.architecture import describe_parts
from reports.describe.blocks import gather_transformers
from reports.describe.counts import describe_counts
from reports.describe.event_fields import describe_fields
from reports.describe.facts import Fact, Known, Page, Section
from reports.describe.history import describe_history
from reports.describe.layers import layers_of, rows_of
from reports.describe.location import find_checkpoint
from reports.describe.optimizer import read_optimizer
from reports.describe.reading import read_content
from reports.describe.saved import NOT_METRICS, Saved, flat, last_named, take_apart
from reports.describe.training import describe_rate, describe_training

HEADS = ("num_heads", "nhead", "n_heads", "n_head", "heads", "num_attention_heads")
RUN = {
    "model.name": "model",
    "datamodule._target_": "data module",
    "datamodule.root": "data",
    "trainer.max_epochs": "epochs asked for",
    "scheduler.schedule._target_": "schedule",
    "scheduler.interval": "schedule counts",
}
"""Of the config that assay stores, what is shown; of its provenance, all but the packages is."""
SETTINGS_SHOWN = 60


def describe(path: str | Path, epochs: int | None = None) -> Page:
    """Everything that a .ckpt, a .pth or a run's folder says of itself.

    Args:
        path: the file or the folder.
        epochs: how many epochs the reader believes that the run had, to be held against the learning rate.

    Raises:
        CheckpointError: where there is nothing that can be described, or loading it would run code.
    """
    file, remark = find_checkpoint(path)
    saved = take_apart(read_content(file), file)
    shapes = {name: tuple(tensor.shape) for name, tensor in saved.tensors.items()}
    layers = gather_transformers(layers_of(shapes))
    fields = describe_fields(shapes, layers, _mapping(saved.record.get("schema")))
    parts = describe_parts(layers, fields, set(last_named(saved.settings, HEADS).values()))
    optimizer = read_optimizer(saved.optimizers[0]) if saved.optimizers else None
    rate, implied = describe_rate(saved, optimizer, epochs)
    page = Page(
        file.name,
        [
            Section("File", _file(file, remark, saved)),
            Section("Numbers", describe_counts(saved.tensors)),
            *parts,
            Section("Training", describe_training(saved, optimizer)),
            Section("What the learning rate implies", rate),
            Section("Metrics and notes", _metrics(saved)),
            Section("History", describe_history(saved.history)),
            Section("Run", _run(saved.record)),
            Section("Settings", [] if saved.record else _settings(saved.settings)),
        ],
        rows_of(layers),
    )
    page.sections = [section for section in page.sections if section.facts]
    classes = next((fact.value for part in parts for fact in part.facts if fact.what == "classes"), None)
    page.disagreements = disagreements.of_rates(saved, optimizer, implied)
    page.disagreements += disagreements.of_widths(saved, shapes, layers, classes)
    return page


def _file(path: Path, remark: str | None, saved: Saved) -> list[Fact]:
    facts = [Fact("path", path, Known.STORED), Fact("bytes", path.stat().st_size, Known.STORED)]
    if remark:
        facts.append(Fact("remark", remark, Known.STORED))
    facts.append(Fact("weights under", saved.found_under or "no key: a bare state dict", Known.STORED))
    if saved.stripped:
        facts.append(Fact("prefix left out of names", saved.stripped, Known.STORED))
    if saved.others:
        facts.append(Fact("further weights, not described", saved.others, Known.STORED))
    if saved.lightning:
        writer = "assay, with Lightning" if saved.record else "Lightning"
        facts.append(Fact("written by", f"{writer} {saved.facts.get('pytorch-lightning_version', '')}", Known.STORED))
    return facts


def _metrics(saved: Saved) -> list[Fact]:
    facts = [Fact(name, value, Known.STORED) for name, value in saved.facts.items() if name not in NOT_METRICS]
    return facts[:SETTINGS_SHOWN]


def _run(record: Mapping) -> list[Fact]:
    config, origin = (dict(flat(_mapping(record.get(part)))) for part in ("config", "provenance"))
    facts = [Fact(what, config[key], Known.STORED) for key, what in RUN.items() if config.get(key) is not None]
    if "git.commit" in origin:
        facts.append(Fact("uncommitted changes", bool(origin.pop("git.diff", None)), Known.STORED))
    shown = {key: value for key, value in origin.items() if not key.startswith("packages.") and key != "git.untracked"}
    facts += [Fact(key.removeprefix("git."), value, Known.STORED) for key, value in shown.items()]
    return facts[:SETTINGS_SHOWN]


def _settings(settings: Mapping[str, object]) -> list[Fact]:
    facts = [Fact(name, value, Known.STORED) for name, value in list(settings.items())[:SETTINGS_SHOWN]]
    left = len(settings) - len(facts)
    return [*facts, Fact("...", f"{left} more", Known.STORED)] if left else facts


def _mapping(value: object) -> Mapping:
    return value if isinstance(value, Mapping) else {}
