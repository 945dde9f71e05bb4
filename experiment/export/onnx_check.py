"""An exported file beside the model that it came from, at sizes with which it was not traced.

Legend: B clips, T frames, V joints, C coordinates, E extra channels, K classes.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from experiment.export.onnx_graph import OUTPUTS, feed_of
from experiment.prediction.inference import ClipInference
from schemas.batches import ClipBatch

CHECKED = ((1, 1), (4, 2), (1, 7), (5, 40), (2, 300))
"""Clips and frames of the batches that are tried."""


def open_session(model: bytes | Path) -> onnxruntime.InferenceSession:
    """On one core of the CPU, where all is float32; a pool of threads costs more than it brings to one clip."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised as well
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def differences(
    session: onnxruntime.InferenceSession, inference: ClipInference, shapes: tuple[int, int, int], temperature: float
) -> dict[tuple[int, int], float]:
    """(clips, frames) -> the largest difference of a logit or a probability, for clips of V joints, C and E."""
    return {size: difference(session, inference, random_clips(*size, *shapes), temperature) for size in CHECKED}


def difference(
    session: onnxruntime.InferenceSession, inference: ClipInference, batch: ClipBatch, temperature: float
) -> float:
    """The largest difference of a logit or a probability between file and model; the file reads rubbish as padding.

    Infinite where the file cannot be run at this size, NaN where either of them gives one.
    """
    logits = inference.logits(batch)
    padding_BT = ~batch.real_BT
    batch = replace(
        batch,
        joints=batch.joints.masked_fill(padding_BT[..., None, None], 1e6),
        visible=batch.visible | padding_BT[..., None],
        extra=None if batch.extra is None else batch.extra.masked_fill(padding_BT[..., None], 1e6),
    )
    try:
        found = session.run(OUTPUTS, {name: tensor.numpy() for name, tensor in feed_of(batch).items()})
    except Exception:  # onnxruntime's errors have no class of their own above them; most say that a size was frozen
        return float("inf")
    expected = logits.numpy(), (logits / temperature).softmax(dim=1).numpy()
    if any(a.shape != b.shape for a, b in zip(found, expected, strict=True)):
        return float("inf")
    # Not `max`, which may pass over NaN.
    return float(np.max([np.abs(a - b).max() for a, b in zip(found, expected, strict=True)]))


def random_clips(clips: int, frames: int, joints: int, coordinates: int, extra: int) -> ClipBatch:
    """Clips of uneven lengths, the first of all frames, of which a fifth of the joints was not seen."""
    rng = torch.Generator().manual_seed(clips * 1000 + frames)
    length = torch.randint(1, frames + 1, (clips,), generator=rng)
    length[0] = frames
    real_BT1 = (torch.arange(frames) < length[:, None])[..., None]
    visible = (torch.rand(clips, frames, joints, generator=rng) > 0.2) & real_BT1
    return ClipBatch(
        joints=torch.randn(clips, frames, joints, coordinates, generator=rng) * visible[..., None],
        visible=visible,
        length=length,
        label=torch.zeros(clips, dtype=torch.int64),
        clip_id=torch.arange(clips),
        extra=torch.randn(clips, frames, extra, generator=rng) * real_BT1 if extra else None,
    )
