"""From a trained run to what it says of raw batches: the run's own deterministic preprocessing, then its net.

Serves evaluation, prediction and export. A checkpoint may come from a stranger: of its data settings only the plain
values `frames` and `channels` are read, and nothing of them is built.
Legend: B clips, K classes, M views.
"""

from copy import deepcopy

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from datamodules.skeletons.features import count_channels
from experiment.build import choose_precision
from experiment.checkpoints.loading import LoadedRun
from experiment.prediction.views import ClipViews, Views, pooled
from models.event_predictor.predictor import EventPredictor
from schemas.batches import ClipBatch, EventBatch, EventOutput
from schemas.clips import ClipSchema
from schemas.errors import ConfigError, DataError

AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
WHOLE = Views()
CPU = torch.device("cpu")


class ClipInference:
    """Logits of raw clips, as the run itself computes them in its test: same preprocessing, same precision.

    Args:
        run: a run of clips; its model stays where it is.
        device: a torch device; None: the GPU where the run's config allows it and this machine has one, else the CPU.
        views: ways to look at a clip, averaged; by default one, the whole clip.

    Attributes:
        net: the net, on the device; `preprocess`: from a raw batch there to what the net sees, view by view.

    Raises:
        ConfigError: the run is of events, its settings do not make what its model reads, or the device is not there.
    """

    def __init__(self, run: LoadedRun, device: str | torch.device | None = None, views: Views = WHOLE):
        if not isinstance(run.schema, ClipSchema):
            raise ConfigError("this is a run of events, not of clips", where=run.path)
        self.schema, self.path = run.schema, run.path
        self.frames, self.channels = _preprocessing(run)
        self.device = choose_device(run.config, device)
        self.precision = autocast_type(run.config, self.device)
        self.net = placed(run.model, self.device)
        self.preprocess = ClipViews(run.schema.skeleton, self.frames, self.channels, views).to(self.device)

    @torch.no_grad()
    def logits(self, batch: ClipBatch) -> Tensor:
        """[B, K] float32 on the CPU; of several views the logarithm of the mean of their probabilities.

        A batch that is too large for the memory is done in halves.

        Raises:
            DataError: other joints or coordinates than the run was trained on; a single clip too long for the memory.
            ConfigError: mirror images of clips with extra channels.
        """
        self._refuse_other_clips(batch)
        try:
            return self._of_views(batch.to(self.device)).cpu()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the handler, whose traceback would keep the tensors of the failed attempt.
        if batch.size == 1:
            what = f"a clip of {int(batch.length[0]):,} frames does not fit into the memory of {self.device}"
            raise DataError(what, where=f"clip {int(batch.clip_id[0])}", remedy="Cut it into shorter ones.")
        half = batch.size // 2
        return torch.cat([self.logits(rows_of(batch, part)) for part in (slice(half), slice(half, None))])

    def _of_views(self, batch: ClipBatch) -> Tensor:
        logits_MBK = torch.stack([self._of_channels(view) for view in self.preprocess(batch)])
        return logits_MBK[0] if len(logits_MBK) == 1 else pooled(logits_MBK).float()

    def _of_channels(self, batch: ClipBatch) -> Tensor:
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not None):
            return self.net(batch.joints, batch.length).float()

    def _refuse_other_clips(self, batch: ClipBatch) -> None:
        skeleton, (joints, coordinates) = self.schema.skeleton, batch.joints.shape[2:]
        if joints != skeleton.num_joints:
            what = f"the clips have {joints} joints, the run was trained on {skeleton.num_joints} ({skeleton.name})"
            raise DataError(what, where=self.path, remedy="Give clips of the run's own layout.")
        extra = 0 if batch.extra is None else batch.extra.shape[2]
        given = count_channels(self.channels, coordinates, extra)
        if given != self.schema.channels:
            what = f"{coordinates} coordinates a joint and {extra} extra channels make {given} channels"
            raise DataError(f"{what}, the run was trained on {self.schema.channels}", where=self.path)


class EventInference:
    """What a run says of the events of a batch: their cost in nats, hits and confidence, field by field.

    Args:
        run: a run of events; its model stays where it is.
        device: as for `ClipInference`.
    """

    def __init__(self, run: LoadedRun, device: str | torch.device | None = None):
        if isinstance(run.schema, ClipSchema):
            raise ConfigError("this is a run of clips, not of events", where=run.path)
        self.schema, self.device = run.schema, choose_device(run.config, device)
        self.precision = autocast_type(run.config, self.device)
        self.net = placed(run.model, self.device)

    @torch.no_grad()
    def evaluate(self, batch: EventBatch) -> EventOutput:
        """Every scored target of the batch, on the CPU."""
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not None):
            return self.net.evaluate(batch.to(self.device)).to(CPU)

    @property
    def tells_distributions(self) -> bool:
        """Whether `distributions` can be asked for: a net of one's own need only have `evaluate`."""
        return isinstance(self.net, EventPredictor)

    @torch.no_grad()
    def distributions(self, batch: EventBatch) -> list[Tensor]:
        """[N, V] float32 log p of every value of each dynamic field, a row a scored target of the batch, on the CPU.

        With a chain, of a field given the target's own earlier fields.
        """
        batch = batch.to(self.device)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not None):
            told = self.net.heads.distributions(self.net.decode(batch), batch, self.net.embedding)
        return [log_p_NV.float().cpu() for log_p_NV in told]


def chain_of(net: EventPredictor) -> tuple[int, ...] | None:
    """The dynamic fields in the order in which each is given the ones before it; None where each stands alone."""
    return tuple(net.heads.order) if net.heads.states is not None and net.heads.states.chained else None


def _preprocessing(run: LoadedRun) -> tuple[int | None, list[str]]:
    """The run's frames and channels, which a stranger may have written."""
    frames = OmegaConf.select(run.config, "datamodule.frames")
    channels = OmegaConf.select(run.config, "datamodule.channels")
    if frames is not None and (type(frames) is not int or frames < 1):
        raise ConfigError(f"{frames!r} is no number of frames", where=f"{run.path}: datamodule.frames")
    channels = list(channels) if OmegaConf.is_list(channels) else []
    count_channels(channels, 0, 0)  # refuses names that it does not know, and none
    return frames, channels


def choose_device(config: DictConfig, asked: str | torch.device | None = None) -> torch.device:
    """The device that is asked for, or the best that the config allows; raises ConfigError where it is not there."""
    gpu = torch.cuda.is_available()
    if asked is None:
        allowed = OmegaConf.select(config, "trainer.accelerator", default="auto") in ("auto", "gpu", "cuda")
        return torch.device("cuda") if gpu and allowed else CPU
    try:
        device = torch.device(asked)
    except RuntimeError as error:
        raise ConfigError(f"{asked!r} is no device", where="device", remedy="As cpu or cuda.") from error
    if device.type == "cuda" and not gpu:
        raise ConfigError("there is no CUDA device here", where="device", remedy="Use cpu.")
    return device


def autocast_type(config: DictConfig, device: torch.device) -> torch.dtype | None:
    """The type of the run's mixed precision on this device; None for float32."""
    mode = OmegaConf.select(config, "precision.mode", default="fp32")
    if mode == "amp_fp16" and device.type != "cuda":
        return None
    return AUTOCAST.get(choose_precision(mode, "cuda" if device.type == "cuda" else "cpu"))


def placed(net: nn.Module, device: torch.device) -> nn.Module:
    """The net on a device: a copy where that is not the CPU, on which a loaded run has it."""
    return net if device == CPU else deepcopy(net).to(device)


def rows_of(batch: ClipBatch, rows: slice) -> ClipBatch:
    """Some clips of a batch."""
    return batch.changed(lambda tensor: tensor[rows])


def is_out_of_memory(error: Exception) -> bool:
    """Of a GPU, whose error has a class, or of the CPU's allocator, whose error has only words."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
