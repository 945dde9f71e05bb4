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
    "experiment/configs/compose.py",
    "experiment/configs/kinds.py",
    "experiment/configs/rules.py",
    "experiment/configs/cross_rules.py",
    "experiment/configs/task_rules.py",
    "experiment/configs/event_rules.py",
    "experiment/configs/parsed.py",
    "experiment/configs/definitions.py",
    "experiment/configs/signatures.py",
    "experiment/configs/extras.py",
    "experiment/resume.py",
    "experiment/repeat.py",
    "experiment/run_folder.py",
    "experiment/signals.py",
    "experiment/configs/override_words.py",
    "experiment/sweeps/sweep.py",
    "experiment/sweeps/search.py",
    "experiment/sweeps/space.py",
    "experiment/sweeps/trials.py",
    "experiment/results/runs.py",
    "experiment/results/groups.py",
    "experiment/results/group_names.py",
    "experiment/results/ranking.py",
    "experiment/results/axes.py",
    "experiment/results/student.py",
    "experiment/front_door.py",
    "experiment/checkpoints/registry.py",
    "train.py",
    "results.py",
    "describe.py",
    "evaluate.py",
    "predict.py",
    "export.py",
    "experiment/prediction/request.py",
    "experiment/export/request.py",
    "experiment/hyperparameters.py",
    "prepare.py",
    "dashboard.py",
    "experiment/evaluation/request.py",
    "experiment/evaluation/config.py",
    "experiment/results/latest.py",
    "experiment/configs/extras.py",
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
