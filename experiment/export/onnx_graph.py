"""The classifier of a run as an ONNX graph: raw clips in, logits and probabilities out.

The graph is what torch's tracing exporter (`dynamo=False`) makes of the run's own modules. Tried with torch 2.13: the
newer one (`dynamo=True`) fails on packed sequences, of a plain LSTM it freezes the number of frames under `no_grad`
without a word, and it needs onnxscript; torch.export by itself fails on both, strict or not. The tracing one writes the
lengths into ONNX's own LSTM. Two things it cannot do: it takes the sizes of `Tensor.unflatten` from the traced batch,
so that it is shown a `reshape`; and it knows no sparse product, so that a sparse graph is exported as the dense one.
Legend: B clips, T frames, V joints, C coordinates, E extra channels, K classes, N = B T.
"""

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn

from experiment.prediction.views import ClipViews
from models.gcn_lstm.classifier import GCNLSTM
from models.gcn_lstm.graph_conv import FixedGraphConv
from models.gcn_lstm.packing import RealFrames
from schemas.batches import ClipBatch
from schemas.errors import ConfigError

OPSET = 17
OUTPUTS = ("logits", "probabilities")


class TracedClips(ClipBatch):
    """A batch whose size stays a variable of the graph: `len` would be a number of the traced batch."""

    @property
    def size(self) -> Tensor:
        return self.label.shape[0]


class TracedFrames(RealFrames):
    """Packs nothing: in eval mode padding costs time and cannot be seen, and what it makes is written over.

    Args:
        full: whether every clip of every batch fills all frames, as resampled ones do.
    """

    def __init__(self, length_B: Tensor, x_BT: Tensor, full: bool):
        self.B, self.T = x_BT.shape[0], x_BT.shape[1]
        self.length_cpu = self.length_B = length_B
        self.real_BT = torch.arange(self.T) < length_B[:, None]
        self.full = full

    def pack(self, x_BT_: Tensor) -> Tensor:
        return x_BT_.flatten(0, 1)

    def unpack(self, x_N_: Tensor) -> Tensor:
        return self.fill(x_N_.unflatten(0, (self.B, self.T)), 0.0)


class RawClips(nn.Module):
    """What is exported: from clips as they are recorded to probabilities."""

    def __init__(self, net: GCNLSTM, preprocess: ClipViews, frames: int | None, temperature: float):
        super().__init__()
        self.net, self.preprocess = with_dense_graphs(net), preprocess
        self.resampled, self.temperature = frames is not None, temperature

    def forward(
        self, joints: Tensor, visible: Tensor, length: Tensor, extra: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        real_BT = torch.arange(joints.shape[1]) < length[:, None]
        seen = visible & real_BT[..., None] & ~joints.isnan().any(dim=3)
        joints = torch.where(seen[..., None], joints, torch.zeros_like(joints))
        (batch,) = self.preprocess(TracedClips(joints, seen, length, label=length, clip_id=length, extra=extra))
        frames = TracedFrames(batch.length, batch.joints, self.resampled)
        x_NF = self.net.spatial(frames.pack(batch.joints))
        logits = self.net.classifier(self.net.temporal(frames.unpack(x_NF), frames))
        return logits, (logits / self.temperature).softmax(dim=1)


def with_dense_graphs(net: GCNLSTM) -> GCNLSTM:
    """A copy whose sparse graph convolutions are dense ones: the same sums."""
    net = deepcopy(net)
    for conv in net.modules():
        if isinstance(conv, FixedGraphConv) and conv.sparse:
            joints = len(conv.row_start) - 1
            sparse = torch.sparse_csr_tensor(conv.row_start, conv.column, conv.edge_weight, (joints, joints))
            conv.register_buffer("adjacency_VV", sparse.to_dense(), persistent=False)
            conv.sparse = False
    return net


def feed_of(batch: ClipBatch) -> dict[str, Tensor]:
    """The graph's inputs by name."""
    feed = {"joints": batch.joints, "visible": batch.visible, "length": batch.length, "extra": batch.extra}
    return {name: tensor for name, tensor in feed.items() if tensor is not None}


def traced(graph: RawClips, batch: ClipBatch, where: Path) -> bytes:
    """The graph as ONNX, its numbers of clips and frames free; raises ConfigError for a part that has no ONNX form."""
    feed, written = feed_of(batch), io.BytesIO()
    axes = {name: {0: "clips"} | ({} if name == "length" else {1: "frames"}) for name in feed}
    axes |= {name: {0: "clips"} for name in OUTPUTS}
    names = {"input_names": list(feed), "output_names": list(OUTPUTS), "dynamic_axes": axes}
    try:
        with as_the_exporter_needs_it(), without_its_warnings():
            torch.onnx.export(graph, tuple(feed.values()), written, dynamo=False, opset_version=OPSET, **names)
    except torch.onnx.errors.OnnxExporterError as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigError(f"a part of its net has no ONNX form ({said})", where=where) from error
    return written.getvalue()


@contextmanager
def as_the_exporter_needs_it() -> Iterator[None]:
    """`unflatten` as `reshape`, and attention step by step: torch's one kernel for a whole layer has no ONNX form."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with patch.object(torch.Tensor, "unflatten", _reshaped):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _reshaped(x: Tensor, dim: int, sizes: tuple[int, ...]) -> Tensor:
    dim %= x.dim()
    return x.reshape(*x.shape[:dim], *sizes, *x.shape[dim + 1 :])


@contextmanager
def without_its_warnings() -> Iterator[None]:
    """The exporter warns of sizes that it may have frozen, which the check finds; before it raises it prints the graph.

    Most of this comes from C++, which knows nothing of `sys.stdout`.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {stream: os.dup(stream) for stream in (1, 2)}
    try:
        with warnings.catch_warnings(), open(os.devnull, "w") as nowhere:
            warnings.simplefilter("ignore")
            for stream in kept:
                os.dup2(nowhere.fileno(), stream)
            yield
    finally:
        for stream, copy in kept.items():
            os.dup2(copy, stream)
            os.close(copy)
