"""The temporal part: a bidirectional LSTM over the pooled frames.

Legend: B clips, T frames, F features a frame, H hidden units of one direction, W width of the clip's vector.
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from models.gcn_lstm.packing import RealFrames


class BiLSTM(nn.Module):
    """Bidirectional LSTM and a readout; padded frames are never run through.

    Args:
        width_in: F.
        hidden: H.
        layers: LSTM layers.
        dropout: between the LSTM's layers.
        readout: (2H) -> readout with its `width`.
        unused_norm: carry a LayerNorm(2H) that nothing reads, as the documented models did; only their presets
            ask for it, because their parameter counts include it. Its parameters get no gradient.
    """

    def __init__(
        self,
        width_in: int,
        hidden: int,
        layers: int,
        dropout: float,
        readout: Callable[[int], nn.Module],
        unused_norm: bool,
    ):
        super().__init__()
        self.lstm = nn.LSTM(
            width_in,
            hidden,
            layers,
            batch_first=True,
            bidirectional=True,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.readout = readout(2 * hidden)
        self.width: int = self.readout.width
        self.known_unused: tuple[str, ...] = ()
        if unused_norm:
            self.unused_norm = nn.LayerNorm(2 * hidden)
            self.known_unused = ("unused_norm.",)

    def forward(self, x_BTF: Tensor, frames: RealFrames) -> Tensor:
        """[B, T, F] -> [B, W]."""
        if frames.full:
            return self.readout(self.lstm(x_BTF)[0], frames)
        packed = pack_padded_sequence(x_BTF, frames.length_cpu, batch_first=True, enforce_sorted=False)
        out_BTW, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=frames.T)
        return self.readout(out_BTW, frames)
