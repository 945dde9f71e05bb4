"""The temporal part: convolutions over neighbouring frames, if any, and a bidirectional LSTM over all of them.

Legend: B clips, T frames, N real frames of all clips, F features a frame, H hidden units of one direction, W width of
the clip's vector.
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from models.dropout import ReLUDropout
from models.gcn_lstm.packing import RealFrames


class FrameConvolutions(nn.Module):
    """Residual convolutions over neighbouring frames: short movements, before the LSTM reads the long ones.

    Each is batch norm over real frames, ReLU, dropout, convolution, added to its input. Beyond a clip's end its
    neighbours are zeros, whether it was padded or not.

    Args:
        width: F, kept.
        layers: convolutions after one another.
        kernel: frames that each sees, odd.
        dropout: before each convolution.

    Raises:
        ValueError: when the kernel is not odd: a clip would get longer.
    """

    def __init__(self, width: int, layers: int, kernel: int, dropout: float):
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"a kernel of {kernel} frames is not odd")
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(layers))
        self.activation = ReLUDropout(dropout)
        self.convs = nn.ModuleList(nn.Conv1d(width, width, kernel, padding=kernel // 2) for _ in range(layers))

    def forward(self, x_BTF: Tensor, frames: RealFrames) -> Tensor:
        """[B, T, F] -> [B, T, F]; padding of the input must be zero, that of the output is."""
        for norm, conv in zip(self.norms, self.convs, strict=True):
            active_BTF = frames.unpack(self.activation(norm(frames.pack(x_BTF))))
            x_BTF = x_BTF + frames.fill(conv(active_BTF.transpose(1, 2)).transpose(1, 2), 0.0)
        return x_BTF


class BiLSTM(nn.Module):
    """Bidirectional LSTM and a readout; padded frames are never run through.

    Args:
        width_in: F.
        motion: (F) -> module ([B, T, F], RealFrames) -> [B, T, F] in front of the LSTM, or None.
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
        motion: Callable[[int], nn.Module] | None,
    ):
        super().__init__()
        self.motion = motion(width_in) if motion is not None else None
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
        if self.motion is not None:
            x_BTF = self.motion(x_BTF, frames)
        if frames.full:
            return self.readout(self.lstm(x_BTF)[0], frames)
        packed = pack_padded_sequence(x_BTF, frames.length_cpu, batch_first=True, enforce_sorted=False)
        out_BTW, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=frames.T)
        return self.readout(out_BTW, frames)
