import numpy as np
import pytest
import torch

from models.gcn_lstm.packing import RealFrames


@pytest.fixture
def uneven():
    length, x = torch.tensor([3, 1, 4]), torch.randn(3, 5, 2)
    for clip, frames in enumerate(length):
        x[clip, frames:] = torch.nan
    return RealFrames(length, x), x, [x[clip, :frames].numpy() for clip, frames in enumerate(length)]


def test_packing_keeps_the_real_frames_in_order(uneven):
    frames, x, clips = uneven
    np.testing.assert_array_equal(frames.pack(x).numpy(), np.concatenate(clips))


def test_unpacking_puts_them_back_between_zeros(uneven):
    frames, x, _ = uneven
    np.testing.assert_array_equal(frames.unpack(frames.pack(x)).numpy(), x.nan_to_num(0.0).numpy())


def test_statistics_are_of_real_frames(uneven):
    frames, x, clips = uneven
    for ours, numpy in (("mean", lambda c: c.mean(0)), ("max", lambda c: c.max(0)), ("last", lambda c: c[-1])):
        np.testing.assert_allclose(getattr(frames, ours)(x).numpy(), np.stack([*map(numpy, clips)]), rtol=1e-5)


@pytest.mark.parametrize("length", [None, torch.tensor([4, 4])], ids=["no lengths", "full lengths"])
def test_full_clips_are_not_copied(length):
    x = torch.randn(2, 4, 3)
    frames = RealFrames(length, x)
    assert frames.full
    assert frames.pack(x).data_ptr() == x.data_ptr() == frames.unpack(frames.pack(x)).data_ptr()
    assert torch.equal(frames.last(x), x[:, -1])


@pytest.mark.parametrize("length", [[0, 2], [2, 6]])
def test_impossible_lengths_are_refused(length):
    with pytest.raises(ValueError, match="1 to 5"):
        RealFrames(torch.tensor(length), torch.randn(2, 5))
