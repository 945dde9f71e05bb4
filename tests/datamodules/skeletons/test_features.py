"""The deterministic transforms against numpy, a clip at a time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from datamodules.skeletons.features import Channels, Normalise, Resample, count_channels
from schemas.batches import ClipBatch
from schemas.errors import ConfigError
from schemas.skeleton import load_layout

SKELETON = load_layout("kinect20")


@pytest.fixture
def batch(make_store) -> ClipBatch:
    return make_store(clips=12).gather(range(12))


def test_normalise_puts_the_centre_at_the_origin_and_makes_the_scale_one(batch):
    everything = replace(batch, visible=batch.real_BT[..., None].expand_as(batch.visible))
    done = Normalise(SKELETON)(everything)
    for clip in range(batch.size):
        x = everything.joints[clip, : batch.length[clip]].numpy()
        one, other = np.array(SKELETON.scale).T
        unit = np.linalg.norm(x[:, one] - x[:, other], axis=-1).mean()
        expected = (x - x[:, list(SKELETON.centre)].mean(axis=(0, 1))) / unit
        np.testing.assert_allclose(done.joints[clip, : batch.length[clip]].numpy(), expected, rtol=1e-4, atol=1e-5)


def test_normalise_ignores_where_and_how_large_the_clip_was(batch):
    moved = replace(batch, joints=(batch.joints * 3 + 7) * batch.visible[..., None])
    torch.testing.assert_close(
        Normalise(SKELETON)(moved).joints, Normalise(SKELETON)(batch).joints, rtol=1e-3, atol=1e-4
    )


def test_the_scale_of_two_hands_does_not_depend_on_which_was_seen(make_store):
    skeleton = load_layout("hands42")
    batch = make_store(layout="hands42", clips=1, classes=1).gather([0])
    hand = torch.randn(21, 3)
    batch.joints = torch.cat([hand, hand + 5]).expand_as(batch.joints).clone()
    sizes = []
    for seen in (range(42), range(21), range(21, 42)):
        visible = torch.zeros_like(batch.visible)
        visible[:, :, list(seen)] = True
        done = Normalise(skeleton)(replace(batch, visible=visible)).joints[0, 0, list(seen)[:21]]
        sizes.append((done[9] - done[0]).norm())
    torch.testing.assert_close(torch.stack(sizes), torch.ones(3))


def test_a_hidden_joint_is_a_mask_and_never_a_centred_zero(batch):
    done = Normalise(SKELETON)(replace(batch, joints=batch.joints + 100 * batch.visible[..., None]))
    assert (done.joints[~done.visible] == 0).all()
    assert done.joints.abs().max() < 50
    channels = Channels(SKELETON, ["joint", "bone", "velocity", "visible"])(done).joints
    hidden = ~done.visible
    assert (channels[hidden] == 0).all()
    parent_hidden = ~done.visible[:, :, torch.from_numpy(SKELETON.parent_index)]
    assert (channels[..., 3:6][parent_hidden] == 0).all()


def test_a_clip_without_its_centre_joints_is_still_usable(batch):
    visible = batch.visible.clone()
    visible[:, :, list(SKELETON.centre)] = False
    done = Normalise(SKELETON)(replace(batch, visible=visible, joints=batch.joints * visible[..., None]))
    assert torch.isfinite(done.joints).all()
    assert done.joints.abs().max() < 20


def test_a_clip_in_which_nothing_was_seen_stays_zero(batch):
    nothing = replace(batch, visible=torch.zeros_like(batch.visible), joints=torch.zeros_like(batch.joints))
    done = Channels(SKELETON, ["joint", "bone", "velocity"])(Resample(5)(Normalise(SKELETON)(nothing)))
    assert (done.joints == 0).all()


def test_resample_is_linear_interpolation(batch):
    everything = replace(batch, visible=batch.real_BT[..., None].expand_as(batch.visible).contiguous())
    done = Resample(11)(everything)
    for clip in range(batch.size):
        length = int(batch.length[clip])
        moments = np.clip((np.arange(11) + 0.5) / 11 * length - 0.5, 0, length - 1)
        expected = np.interp(moments, np.arange(length), everything.joints[clip, :length, 4, 1].numpy())
        np.testing.assert_allclose(done.joints[clip, :, 4, 1].numpy(), expected, rtol=1e-4, atol=1e-5)
    assert (done.length == 11).all() and done.visible.all()


def test_resampling_between_a_seen_and_a_hidden_frame_takes_the_seen_one():
    joints = torch.tensor([2.0, 0.0, 0.0]).view(1, 3, 1, 1)
    visible = torch.tensor([True, False, False]).view(1, 3, 1)
    batch = ClipBatch(joints, visible, torch.tensor([3]), torch.tensor([0]), torch.tensor([0]))
    done = Resample(6)(batch)
    assert (done.joints[done.visible] == 2).all() and done.visible[0, 0]
    assert not done.visible[0, -1]


def test_extra_channels_of_a_lost_frame_are_not_read(make_store):
    batch = make_store(layout="kinect20", extra=2, clips=1, classes=1).gather([0])
    batch.extra = torch.full_like(batch.extra, 3.0)
    batch.visible = torch.ones_like(batch.visible)
    batch.visible[:, 1] = False
    batch.extra[:, 1] = 0.0
    done = Resample(4 * int(batch.length[0]))(batch)
    assert set(done.extra.unique().tolist()) <= {0.0, 3.0}
    assert torch.equal((done.extra == 3).all(dim=2), done.visible.any(dim=2))


def test_none_keeps_every_clip_as_it_is(batch):
    assert Resample(None)(batch) is batch


def test_channels_are_joint_bone_velocity_and_extra(make_store):
    batch = make_store(extra=2, clips=6).gather(range(6))
    done = Channels(SKELETON, ["joint", "bone", "velocity", "visible"])(batch)
    x, seen = batch.joints.numpy(), batch.visible.numpy()
    child, parent = SKELETON.bones[5]
    both = (seen[:, :, child] & seen[:, :, parent])[..., None]
    np.testing.assert_allclose(done.joints[:, :, child, 3:6], (x[:, :, child] - x[:, :, parent]) * both, rtol=1e-6)
    both = (seen[:, 1:] & seen[:, :-1])[..., None]
    np.testing.assert_allclose(done.joints[:, :-1, :, 6:9], (x[:, 1:] - x[:, :-1]) * both, rtol=1e-6)
    assert (done.joints[:, -1, :, 6:9] == 0).all()
    np.testing.assert_array_equal(done.joints[..., 9], seen)
    np.testing.assert_array_equal(done.joints[:, :, 7, 10:], batch.extra)
    assert done.joints.shape[-1] == count_channels(["joint", "bone", "velocity", "visible"], 3, 2) == 12


@pytest.mark.parametrize("names", [[], ["joint", "speed"]])
def test_unknown_channels_are_refused(names):
    with pytest.raises(ConfigError, match=r"datamodule\.channels"):
        count_channels(names, 3, 0)
