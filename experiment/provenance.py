"""Where a run comes from: code, packages, machine and data."""

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "lightning", "torch-geometric", "torchmetrics", "hydra-core", "omegaconf", "numpy")
ROOT = Path(__file__).resolve().parent.parent


def describe_origin(seed: int, device: str) -> dict:
    """Plain facts for provenance.json and for checkpoints; the data's fingerprints are added by the caller."""
    return {
        "git": _git(),
        "packages": {name: _version(name) for name in PACKAGES},
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "host": platform.node(),
        "device": device,
        "seed": seed,
    }


def _git() -> dict:
    """Commit, uncommitted changes and untracked files of assay; None where it was not installed from a checkout."""
    if (commit := _git_output("rev-parse", "HEAD")) is None:
        return {"commit": None, "diff": None, "untracked": None}
    untracked = _git_output("ls-files", "--others", "--exclude-standard") or ""
    return {"commit": commit.strip(), "diff": _git_output("diff", "HEAD"), "untracked": untracked.splitlines()}


def _git_output(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
