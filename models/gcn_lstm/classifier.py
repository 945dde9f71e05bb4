"""The classifier head, and GCN-LSTM as a whole.

Legend: B clips, T frames (padded), N real frames of all clips, V joints, C channels, F features a frame,
W width of the clip's vector, K classes.
"""

from collections.abc import Callable

from torch import Tensor, nn

from models.dropout import Dropout
from models.gcn_lstm.packing import RealFrames
from schemas.clips import ClipSchema


class Classifier(nn.Sequential):
    """Linear map to half the width, ReLU, dropout, linear map to the classes."""

    def __init__(self, width_in: int, classes: int, dropout: float):
        super().__init__(
            nn.Linear(width_in, width_in // 2),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(width_in // 2, classes),
        )


class GCNLSTM(nn.Module):
    """Graph convolutions within each frame, a sequence model over the frames, a classifier of the clip.

    Real frames are packed before the spatial part and unpacked after it: padding costs nothing there, enters no
    statistic and never changes a logit, whatever it holds.

    Args:
        schema: skeleton, channels and classes of the clips.
        spatial: (schema) -> module [N, V, C] -> [N, F] with its `width` F.
        temporal: (F) -> module ([B, T, F], RealFrames) -> [B, W] with its `width` W.
        classifier: (W, K) -> module [B, W] -> [B, K].
    """

    def __init__(
        self,
        schema: ClipSchema,
        spatial: Callable[[ClipSchema], nn.Module],
        temporal: Callable[[int], nn.Module],
        classifier: Callable[[int, int], nn.Module],
    ):
        super().__init__()
        self.spatial = spatial(schema)
        self.temporal = temporal(self.spatial.width)
        self.classifier = classifier(self.temporal.width, schema.num_classes)

    @property
    def known_unused(self) -> tuple[str, ...]:
        """Prefixes of the names of parameters that get no gradient by design; empty in all but documented presets."""
        return tuple(
            f"{name}.{prefix}"
            for name, module in self.named_modules()
            if module is not self
            for prefix in getattr(module, "known_unused", ())
        )

    def forward(self, x_BTVC: Tensor, length_B: Tensor | None) -> Tensor:
        """Logits of a padded batch.

        Args:
            x_BTVC: [B, T, V, C] float; frames at and after a clip's length are never read.
            length_B: [B] int64 real frames, 1 to T; None where every clip fills all T frames.

        Returns:
            [B, K] logits.

        Raises:
            ValueError: when a length is not in 1 to T.
        """
        frames = RealFrames(length_B, x_BTVC)
        x_NF = self.spatial(frames.pack(x_BTVC))
        return self.classifier(self.temporal(frames.unpack(x_NF), frames))
