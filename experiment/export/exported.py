"""An exported file: compared with its model before it is written, and what is said of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime

from experiment.checkpoints.loading import LoadedRun
from experiment.export.onnx_check import open_session
from schemas.errors import ConfigError
from storage import atomic

TOLERANCE = 1e-4
"""The largest difference of a logit or a probability."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    holds: str
    """What it answers with, in words."""
    inputs: tuple[str, ...]
    """Each with its type and shape."""
    sizes: str
    """How the sizes of a batch are said, as `{} clips of up to {} frames`."""
    differences: dict[tuple[int, ...], float]
    """Sizes -> the largest difference from the model."""
    metadata: dict[str, str]
    """As it stands in the file; lists are JSON."""
    size: int
    """Bytes."""

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.size:,} bytes, {self.holds}", "reads"]
        lines += [f"  {each}" for each in self.inputs]
        lines += [f"preprocessing: {self.metadata['preprocessing']}", "largest difference from the model"]
        lines += [f"  {self.sizes.format(*sizes)}: {d:.1e}" for sizes, d in self.differences.items()]
        origin = self.metadata.get("temperature_from", "as asked for")
        return "\n".join([*lines, f"temperature: {self.metadata['temperature']} ({origin})"])


def write_checked(
    model: onnx.ModelProto,
    metadata: Mapping[str, str],
    compare: Callable[[onnxruntime.InferenceSession], dict[tuple[int, ...], float]],
    path: Path,
    run: Path,
    *,
    holds: str,
    sizes: str,
) -> Exported:
    """Writes the graph with its metadata; an older file stays unless the new one is right.

    Args:
        compare: the largest difference from the model for batches of several sizes.
        run: where the model comes from.
        holds, sizes: as in `Exported`.

    Raises:
        ConfigError: the file differs from the model by TOLERANCE or more.
    """
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    session = open_session(content)
    found = compare(session)
    # Not `max(...) >= TOLERANCE`: NaN is no agreement.
    if not all(each < TOLERANCE for each in found.values()):
        said = ", ".join(f"{sizes.format(*size)}: {each:.1e}" for size, each in found.items())
        what = f"the exported graph differs from the model by {TOLERANCE:g} or more ({said})"
        raise ConfigError(what, where=run, remedy="Nothing was written. Use predict.py for this run.")
    atomic.write_bytes(path, content)
    inputs = tuple(f"{each.name} {each.type} {each.shape}" for each in session.get_inputs())
    return Exported(path, holds, inputs, sizes, found, dict(metadata), len(content))


def origin_of(run: LoadedRun) -> dict[str, str]:
    """Where the model comes from, as lines of the metadata."""
    git = run.provenance.get("git")
    return {
        "run": run.path.parent.parent.name if run.path.parent.name == "checkpoints" else run.path.stem,
        "checkpoint": run.path.name,
        "epochs": str(run.epoch),
        "commit": str(git.get("commit")) if isinstance(git, dict) else "unknown",
    }
