import pytest
import torch
from torch import nn

from models.gcn_lstm.fusion import AttentionBranch, ConvolutionBranch, GatedFusion, sinusoids
from models.gcn_lstm.packing import RealFrames
from models.gcn_lstm.readout import AttentionMax, LastHidden
from models.gcn_lstm.temporal import BiLSTM, FrameConvolutions

LENGTH = torch.tensor([3, 6, 1])


@pytest.fixture
def clips():
    torch.manual_seed(0)
    frames = RealFrames(LENGTH, torch.empty(3, 6))
    return frames.fill(torch.randn(3, 6, 8), 0.0), frames


def each_alone(module, x):
    """The module on every clip by itself, cut to its length."""
    return torch.cat([module(x[i : i + 1, :n], RealFrames(None, x[i : i + 1, :n])) for i, n in enumerate(LENGTH)])


def test_last_hidden_is_torchs_own(clips):
    x, frames = clips
    module = BiLSTM(8, 5, layers=2, dropout=0.0, readout=LastHidden, unused_norm=False, motion=None)
    for i, n in enumerate(LENGTH):
        _, (hidden, _) = module.lstm(x[i : i + 1, :n])
        torch.testing.assert_close(module(x, frames)[i], torch.cat([hidden[-2, 0], hidden[-1, 0]]))
    assert module.width == 10


def test_attention_weighs_real_frames_and_max_sees_no_padding():
    torch.manual_seed(0)
    frames, readout = RealFrames(LENGTH, torch.empty(3, 6)), AttentionMax(4)
    x = frames.fill(torch.randn(3, 6, 4) - 10, 1e6)
    attended, maximum = readout(x, frames).split(4, dim=1)
    for i, n in enumerate(LENGTH):
        real = x[i, :n]
        weight = readout.score(torch.tanh(readout.project(real))).softmax(0)
        torch.testing.assert_close(attended[i], (weight * real).sum(0))
        torch.testing.assert_close(maximum[i], real.amax(0))


@pytest.mark.parametrize("positions", [False, True])
def test_attention_branch_is_torchs_encoder_on_each_clip(clips, positions):
    x, frames = clips
    branch = AttentionBranch(8, 16, layers=2, heads=4, feed_forward=32, dropout=0.1, positions=positions).eval()
    expected = [
        branch.encoder(branch.project(clip[None, :n]) + positions * sinusoids(int(n), 16, clip)).mean(1)
        for clip, n in zip(x, LENGTH, strict=True)
    ]
    torch.testing.assert_close(branch(x, frames), torch.cat(expected), atol=1e-5, rtol=1e-5)


def test_attention_branch_knows_the_order_of_frames_by_positions_only(clips):
    x = clips[0]
    full = RealFrames(None, x)
    for positions in (False, True):
        branch = AttentionBranch(8, 16, layers=1, heads=4, feed_forward=32, dropout=0.0, positions=positions).eval()
        same = torch.allclose(branch(x, full), branch(x.flip(1), full), atol=1e-5)
        assert same is not positions


def test_convolution_branch_is_torchs_layers_over_real_frames(clips):
    x, frames = clips
    branch = ConvolutionBranch(8, 5)
    first, second = (nn.BatchNorm1d(5) for _ in range(2))
    hidden = [branch.convs[0](clip[None, :n].mT)[0].mT for clip, n in zip(x, LENGTH, strict=True)]
    hidden = first(torch.cat(hidden)).relu().split(LENGTH.tolist())
    hidden = [branch.convs[1](clip[None].mT)[0].mT for clip in hidden]
    hidden = second(torch.cat(hidden)).relu().split(LENGTH.tolist())
    expected = torch.stack([clip.mean(0) for clip in hidden])
    torch.testing.assert_close(branch(x, frames), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(branch.norms[1].running_var, second.running_var)


def test_frame_convolutions_are_torchs_layers_over_real_frames(clips):
    x, frames = clips
    module = FrameConvolutions(8, layers=2, kernel=3, dropout=0.0)
    expected = [clip[:n] for clip, n in zip(x, LENGTH, strict=True)]
    for conv in module.convs:
        active = nn.BatchNorm1d(8)(torch.cat(expected)).relu().split(LENGTH.tolist())
        expected = [clip + conv(y[None].mT)[0].mT for clip, y in zip(expected, active, strict=True)]
    out = module(x, frames)
    torch.testing.assert_close(frames.pack(out), torch.cat(expected), atol=1e-5, rtol=1e-5)
    assert not out[~frames.real_BT].any()


@pytest.mark.parametrize("kernel", [-1, 0, 4])
def test_a_kernel_that_would_change_the_length_is_refused(kernel):
    with pytest.raises(ValueError, match=f"{kernel} frames is not odd"):
        FrameConvolutions(8, layers=1, kernel=kernel, dropout=0.0)


def test_fusion_sets_the_branches_beside_their_gated_blend(clips):
    x, frames = clips

    class Constant(nn.Module):
        def __init__(self, width_in, value):
            super().__init__()
            self.width, self.value = 4, torch.tensor(value)

        def forward(self, x, frames):
            return self.value.expand(len(x), 4)

    values = [[1.0, 2, 3, 5], [4.0, -1, 0, 2], [0.0, 7, 1, 1]]
    branches = [lambda width_in, value=value: Constant(width_in, value) for value in values]
    fusion = GatedFusion(8, 6, *branches, dropout=0.0)
    views = torch.stack([fusion.projections[i](torch.tensor([value]))[0] for i, value in enumerate(values)])
    weight = fusion.gate(views.reshape(1, 18)).softmax(1)
    expected = torch.cat([views.reshape(1, 18), weight @ views], dim=1)
    expected = (expected - expected.mean()) / (expected.var(correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(fusion(x, frames), expected.expand(3, 24), atol=1e-5, rtol=1e-5)
    assert fusion.width == 24


def test_only_a_model_that_asks_for_it_carries_the_unused_norm():
    for unused_norm in (False, True):
        module = BiLSTM(8, 5, layers=1, dropout=0.0, readout=LastHidden, unused_norm=unused_norm, motion=None)
        assert [name for name in module.state_dict() if "norm" in name] == ["unused_norm.weight", "unused_norm.bias"][
            : 2 * unused_norm
        ]
        assert bool(module.known_unused) is unused_norm
