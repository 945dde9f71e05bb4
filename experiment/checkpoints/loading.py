"""From a run's folder or a lone checkpoint to a model that can be used, in a notebook too."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from experiment.build import build_net
from experiment.checkpoints.file import read_checkpoint, record_of
from experiment.checkpoints.registry import check_config, check_plain
from experiment.checkpoints.size_limit import LimitedSize, check_claims
from schemas.clips import ClipSchema
from schemas.errors import CheckpointError, ConfigError, ExperimentError
from schemas.events import EventSchema

if TYPE_CHECKING:
    from experiment.prediction.in_memory import Predictions
    from experiment.prediction.live_clip import LiveClip

SCHEMAS = {"clips": ClipSchema, "events": EventSchema}
PREFIX = "net."


@dataclass(frozen=True)
class LoadedRun:
    """A trained model with all that its checkpoint says of it."""

    model: nn.Module
    """The net, on the CPU, in eval mode."""
    schema: ClipSchema | EventSchema
    """Classes and skeleton, or fields and their values."""
    config: DictConfig
    """As it was resolved for the run."""
    history: list[dict]
    """The metrics of each epoch up to the checkpoint's."""
    provenance: dict
    """Commit, packages, device, seed, fingerprints of data and split."""
    epoch: int
    """Epochs that the model was trained for."""
    path: Path
    """The checkpoint that was read."""

    def predict(
        self,
        clips: Sequence,
        *,
        batch_size: int = 64,
        temperature: float = 1.0,
        crops: int = 1,
        flip: bool = False,
        device: str | torch.device | None = None,
    ) -> "Predictions":
        """The probabilities of the classes for clips that lie in memory.

        Args:
            clips: [T, V, C] arrays in raw coordinates, a joint with a NaN was not seen; or pairs of such an array and
                a [T, V] array that tells which joints were seen.
            batch_size: clips that are read at once; too many for the memory are done in halves.
            temperature: what the logits are divided by; `evaluate.py` fits one on validation.
            crops, flip: look at each clip several times (`experiment.prediction.views.Views`).
            device: None: a GPU where there is one and the run's config allows it.

        Raises:
            ConfigError: this is a run of events.
            DataError: naming the clip that does not fit the run's layout.
        """
        from experiment.prediction.in_memory import predict_clips
        from experiment.prediction.inference import ClipInference
        from experiment.prediction.views import Views

        if not isinstance(self.schema, ClipSchema):
            what = "this is a run of events, and predict reads clips"
            raise ConfigError(what, where=self.path, remedy="`python predict.py run=...` predicts the next events.")
        return predict_clips(ClipInference(self, device, Views(crops, flip)), clips, batch_size, temperature)

    def stream(
        self, *, window: int = 64, temperature: float = 1.0, device: str | torch.device | None = None
    ) -> "LiveClip":
        """A clip that is still being recorded: `stream().add(frame)` gives the probabilities so far.

        Args:
            window: the newest frames that are read.
            temperature, device: as for `predict`.

        Raises:
            ConfigError: this is a run of events, the window is no whole number above 0, or the temperature not above 0.
        """
        from experiment.prediction.inference import ClipInference
        from experiment.prediction.live_clip import LiveClip

        return LiveClip(ClipInference(self, device), window, temperature)


def load_run(path: str | Path, trust: Sequence[str] = (), which: str = "best") -> LoadedRun:
    """The model of a run's folder or of a checkpoint, its weights in place.

    The file may come from a stranger: it is verified, it runs no code, and its config may build components of this
    project and classes of torch only. No data is opened, and torch's random numbers stay as they are.

    Args:
        path: a run's folder, or a .ckpt file.
        trust: exact dotted names of your own classes that the config may build, as `["my.Net"]`.
        which: of a folder, the checkpoint: best, last, epoch_25.

    Raises:
        CheckpointError: the file is missing or damaged, or its weights do not fit the model of its config.
        ConfigError: its config cannot be built, or asks for what may not be.
    """
    path = find_checkpoint(path, which)
    content = read_checkpoint(path)
    record = record_of(content, path)
    trust = (trust,) if isinstance(trust, str) else tuple(trust)
    check_config(record["config"], trust, path)
    if not isinstance(record["config"].get("model"), dict):
        raise ConfigError("it has no model", where=path)
    if not isinstance(record["config"]["model"].get("net"), dict):
        raise ConfigError("it has no net", where=f"{path}: model")
    weights = weights_of(content, path)
    stored = sum(tensor.numel() for tensor in weights.values())
    check_plain(record["schema"], f"{path}: assay.schema")
    if not trust:
        check_claims(record, stored, path)
    schema, config = _schema(record, path), OmegaConf.create(record["config"])
    return LoadedRun(
        model=_build(config, schema, weights, nullcontext() if trust else LimitedSize(stored, path), path),
        schema=schema,
        config=config,
        history=record["history"],
        provenance=record["provenance"],
        epoch=epochs_of(content, path),
        path=path,
    )


def find_checkpoint(path: str | Path, which: str = "best") -> Path:
    """The checkpoint that a path means; raises CheckpointError with the names of those that there are."""
    path = Path(path).expanduser()
    if not path.is_dir():
        return path
    folder = path / "checkpoints"
    found = sorted(file.stem for file in folder.glob("*.ckpt"))
    if which not in found:
        remedy = f"There are: {', '.join(found)}." if found else "Give a run's folder, or a .ckpt file."
        raise CheckpointError(f"this folder has no checkpoints/{which}.ckpt", where=path, remedy=remedy)
    return folder / f"{which}.ckpt"


def _schema(record: Mapping, path: Path) -> ClipSchema | EventSchema:
    task = record["config"]["model"].get("task")
    if task not in ("clips", "events"):
        raise ConfigError(f"{task!r} is no task", where=f"{path}: model.task", remedy="Tasks: clips, events.")
    try:
        return SCHEMAS[task].from_dict(record["schema"])
    except ExperimentError as error:
        raise CheckpointError(str(error), where=f"{path}: assay.schema") from error
    except Exception as error:  # whatever stands there in place of a schema
        said = f"{type(error).__name__}: {error}"
        raise CheckpointError(f"its schema cannot be read ({said})", where=f"{path}: assay.schema") from error


def epochs_of(content: Mapping, path: Path) -> int:
    """How many epochs a checkpoint was trained for: Lightning counts from 0, people from 1."""
    if type(content.get("epoch")) is not int:
        raise CheckpointError("it does not say of which epoch it is", where=path)
    return content["epoch"] + 1


def weights_of(content: Mapping, path: Path) -> dict[str, Tensor]:
    """The net's own state dict, out of a checkpoint's content; raises CheckpointError where it is none."""
    state = content.get("state_dict")
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise CheckpointError("it has no state_dict of tensors", where=path)
    if strange := [name for name in state if not isinstance(name, str) or not name.startswith(PREFIX)]:
        raise CheckpointError(f"{strange[0]!r} is no weight of the net", where=f"{path}: state_dict")
    return {name.removeprefix(PREFIX): tensor for name, tensor in state.items()}


def _build(
    config: DictConfig, schema: object, weights: dict[str, Tensor], limit: AbstractContextManager, path: Path
) -> nn.Module:
    """The net, built within `limit` and without drawing from torch's random numbers."""
    try:
        with torch.random.fork_rng(devices=[]), limit:
            model = build_net(config, schema)
        _compare(model.state_dict(), weights, path)
        model.load_state_dict(weights, strict=True)
    except ConfigError as error:
        raise ConfigError(error.what, where=f"{path}: {error.where or 'config'}", remedy=error.remedy) from error
    except ExperimentError:
        raise
    except Exception as error:  # a stranger's config fails in whatever way it likes
        said = " ".join(str(error).split())[:200]
        raise CheckpointError(f"its model cannot be built ({type(error).__name__}: {said})", where=path) from error
    return model.cpu().eval()


def _compare(wanted: Mapping[str, Tensor], weights: Mapping[str, Tensor], path: Path) -> None:
    """Every name, shape and type of number must be the same."""
    for name in sorted(wanted.keys() ^ weights.keys()):
        whose = "is in the model and not in the file" if name in wanted else "is in the file and not in the model"
        raise CheckpointError(f"{name} {whose}: the weights do not fit the config", where=path)
    for name, tensor in wanted.items():
        stored = weights[name]
        if (stored.shape, stored.dtype) != (tensor.shape, tensor.dtype):
            said = f"{list(stored.shape)} {stored.dtype} in the file, {list(tensor.shape)} {tensor.dtype} in the model"
            raise CheckpointError(f"{name} is {said}: the weights do not fit the config", where=path)
