"""Imports go down only: the house's floors, read off the source by ast."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OWN = {"experiment", "reports", "lightning_modules", "callbacks", "datamodules", "models", "schemas", "storage"}
MAY_IMPORT = {
    "schemas": set(),
    "storage": {"schemas"},
    "models": {"schemas"},
    "datamodules": {"schemas", "storage"},
    "lightning_modules": {"schemas", "models"},
    "callbacks": {"schemas", "storage", "models"},
    "reports": {"schemas", "storage", "models", "callbacks"},
    "experiment": OWN,
}
WITHOUT_TORCH = (
    "schemas/skeleton.py",
    "schemas/errors.py",
    "schemas/clips.py",
    "schemas/events.py",
    "schemas/findings.py",
    "experiment/config.py",
    "experiment/kinds.py",
    "experiment/rules.py",
    "experiment/cross_rules.py",
    "experiment/task_rules.py",
    "experiment/event_rules.py",
    "experiment/parsed.py",
    "experiment/definitions.py",
    "experiment/signatures.py",
    "experiment/extras.py",
    "experiment/resume.py",
    "experiment/repeat.py",
    "experiment/run_folder.py",
    "experiment/signals.py",
    "experiment/override_words.py",
    "experiment/sweep.py",
    "experiment/search.py",
    "experiment/search_space.py",
    "experiment/trials.py",
    "experiment/runs.py",
    "experiment/groups.py",
    "experiment/group_names.py",
    "experiment/ranking.py",
    "experiment/axes.py",
    "experiment/student.py",
    "experiment/front_door.py",
    "experiment/registry.py",
    "train.py",
    "results.py",
    "describe.py",
    "evaluate.py",
    "predict.py",
    "export.py",
    "experiment/prediction_request.py",
    "experiment/export_request.py",
    "experiment/hyperparameters.py",
    "prepare.py",
    "dashboard.py",
    "experiment/evaluation_request.py",
    "experiment/evaluation_config.py",
    "experiment/latest.py",
    "experiment/extras.py",
    "reports/describe/location.py",
)
SOURCES = sorted(path for floor in MAY_IMPORT for path in (ROOT / floor).rglob("*.py"))


def imported(path: Path, top_level_only: bool = False) -> set[str]:
    """The first names of all modules that a file imports."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path):
    floor = path.relative_to(ROOT).parts[0]
    upwards = (imported(path) & OWN) - MAY_IMPORT[floor] - {floor}
    assert not upwards, f"{path.name} imports {upwards} from {floor}/"


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(ROOT / "models")], ids=lambda p: p.name)
def test_models_know_neither_lightning_nor_hydra(path):
    assert not imported(path) & {"lightning", "hydra", "omegaconf"}


def test_the_floors_are_found():
    assert len(SOURCES) > 30


PACKAGES = [str(path.relative_to(ROOT)) for path in SOURCES if path.name == "__init__.py"]


@pytest.mark.parametrize("name", [*WITHOUT_TORCH, *PACKAGES])
def test_no_torch_before_the_config_is_judged(name):
    assert not imported(ROOT / name, top_level_only=True) & {"torch", "lightning", "torch_geometric", "torchmetrics"}
