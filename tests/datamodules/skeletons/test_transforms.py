"""Random transforms: what they keep, what they change and how often."""

from dataclasses import replace

import pytest
import torch

from datamodules.skeletons.features import Normalise, Resample
from datamodules.skeletons.transforms import Affine, Augmentation, Drop, Flip, JointNoise, Mixup, RandomResample
from schemas.batches import ClipBatch
from schemas.skeleton import load_layout, shipped_layouts

SKELETON = load_layout("kinect20")


@pytest.fixture
def batch(make_store) -> ClipBatch:
    return Normalise(SKELETON)(make_store(clips=64).gather(range(64)))


@pytest.mark.parametrize("layout", shipped_layouts())
def test_flipping_twice_is_the_identity(layout, make_store):
    batch = make_store(layout=layout, clips=8).gather(range(8))
    flip = Flip(load_layout(layout), probability=1.0)
    twice = flip(flip(batch))
    torch.testing.assert_close(twice.joints, batch.joints, rtol=0, atol=0)
    assert torch.equal(twice.visible, batch.visible)


def test_a_flip_exchanges_left_and_right_and_negates_x(batch):
    flipped = Flip(SKELETON, probability=1.0)(batch)
    left, right = SKELETON.joints.index("left_hand"), SKELETON.joints.index("right_hand")
    mirror = torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(flipped.joints[:, :, left], batch.joints[:, :, right] * mirror)
    assert torch.equal(flipped.visible[:, :, left], batch.visible[:, :, right])
    head = SKELETON.joints.index("head")
    torch.testing.assert_close(flipped.joints[:, :, head], batch.joints[:, :, head] * mirror)


def test_about_half_of_the_clips_are_flipped(batch):
    torch.manual_seed(0)
    flipped = Flip(SKELETON, probability=0.5)(batch)
    changed = (flipped.joints != batch.joints).flatten(1).any(dim=1)
    assert 16 < changed.sum() < 48


def test_a_rotation_keeps_distances_and_handedness(batch):
    torch.manual_seed(0)
    turned = Affine(SKELETON, rotate=[40, 40, 40], scale=0, shear=0, shift=0)(batch)
    torch.testing.assert_close(turned.joints.norm(dim=-1), batch.joints.norm(dim=-1), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(turned.joints, batch.joints, atol=0.1)
    matrices = Affine(SKELETON, [90, 90, 90], 0, 0, 0)._rotation(100, batch.joints)
    torch.testing.assert_close(torch.linalg.det(matrices), torch.ones(100), rtol=1e-4, atol=1e-4)


def test_a_turn_about_y_leaves_heights_alone(batch):
    torch.manual_seed(0)
    turned = Affine(SKELETON, rotate=[0, 60, 0], scale=0, shear=0, shift=0)(batch)
    torch.testing.assert_close(turned.joints[..., 1], batch.joints[..., 1], rtol=1e-5, atol=1e-5)


def test_one_affine_map_a_clip(batch):
    torch.manual_seed(0)
    moved = Affine(SKELETON, rotate=[20, 20, 20], scale=0.3, shear=0.2, shift=0.5)(batch)
    for clip in range(4):
        seen = batch.visible[clip]
        before = torch.cat([batch.joints[clip][seen], torch.ones(int(seen.sum()), 1)], dim=1)
        after = moved.joints[clip][seen]
        fitted = torch.linalg.lstsq(before, after).solution
        torch.testing.assert_close(before @ fitted, after, rtol=1e-3, atol=1e-3)


def test_two_dimensions_turn_in_the_plane(batch):
    flat = replace(batch, joints=batch.joints[..., :2].contiguous())
    turned = Affine(SKELETON, rotate=[90, 90, 30], scale=0, shear=0, shift=0)(flat)
    torch.testing.assert_close(turned.joints.norm(dim=-1), flat.joints.norm(dim=-1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "transform",
    [
        Flip(SKELETON, 0.5),
        Affine(SKELETON, [30, 30, 30], 0.2, 0.1, 0.3),
        JointNoise(SKELETON, 0.1),
        Drop(SKELETON, 0.2, 0.2),
        RandomResample(7, [0.5, 1.0]),
        RandomResample(None, [0.5, 1.0]),
    ],
    ids=lambda t: type(t).__name__,
)
def test_hidden_joints_and_padding_stay_zero_and_the_seed_decides(transform, batch):
    torch.manual_seed(3)
    first = transform(batch)
    assert (first.joints[~first.visible] == 0).all()
    assert not (first.visible & ~first.real_BT[..., None]).any()
    torch.manual_seed(3)
    assert torch.equal(transform(batch).joints, first.joints)
    assert not torch.equal(transform(batch).joints, first.joints)


def test_noise_has_the_deviation_asked_for(batch):
    torch.manual_seed(0)
    noise = (JointNoise(SKELETON, 0.1)(batch).joints - batch.joints)[batch.visible]
    assert noise.std().item() == pytest.approx(0.1, rel=0.05)
    assert noise.mean().item() == pytest.approx(0, abs=0.005)


def test_drop_hides_whole_joints_and_whole_frames(batch):
    torch.manual_seed(0)
    everything = replace(batch, visible=torch.ones_like(batch.visible))
    joints = Drop(SKELETON, joint=0.3, frame=0.0)(everything).visible
    assert torch.equal(joints.any(dim=1), joints.all(dim=1))
    assert joints.float().mean().item() == pytest.approx(0.7, abs=0.04)
    frames = Drop(SKELETON, joint=0.0, frame=0.3)(everything).visible
    assert torch.equal(frames.any(dim=2), frames.all(dim=2))
    assert frames.float().mean().item() == pytest.approx(0.7, abs=0.06)


def test_random_moments_rise_and_lie_in_their_parts():
    T = 40
    joints = torch.arange(T, dtype=torch.float32).view(1, T, 1, 1).expand(200, T, 1, 1).contiguous()
    ones = torch.full((200,), T)
    batch = ClipBatch(joints, torch.ones(200, T, 1, dtype=torch.bool), ones, ones, ones)
    torch.manual_seed(0)
    moment = RandomResample(8, [1.0, 1.0])(batch).joints[:, :, 0, 0]
    assert (moment.diff(dim=1) > 0).all()
    part = torch.arange(8) * 5 - 0.5
    assert (moment >= part.clamp(min=0)).all() and (moment <= (part + 5).clamp(max=T - 1)).all()
    assert moment.std(dim=0).min() > 1
    stretch = RandomResample(8, [0.5, 0.5])(batch).joints[:, :, 0, 0]
    assert ((stretch[:, -1] - stretch[:, 0]) <= T / 2).all()


def test_without_a_frame_count_a_stretch_keeps_its_rate(batch):
    torch.manual_seed(0)
    done = RandomResample(None, [0.5, 1.0])(batch)
    assert (done.length <= batch.length).all() and (done.length >= 1).all()
    assert len(done.length.unique()) > 1
    whole = RandomResample(None, [1.0, 1.0])(batch)
    torch.testing.assert_close(whole.joints, batch.joints)
    assert torch.equal(whole.length, batch.length)


def test_mixup_mixes_clips_and_labels_alike(batch):
    torch.manual_seed(0)
    resampled = Resample(6)(batch)
    mixed = Mixup(0.4)(resampled)
    assert ((mixed.mix >= 0) & (mixed.mix <= 1)).all()
    first = resampled.joints[0] * mixed.mix[0]
    partners = (resampled.label == mixed.other_label[0]).nonzero()[:, 0]
    differences = [(mixed.joints[0] - first - (1 - mixed.mix[0]) * resampled.joints[i]).abs().max() for i in partners]
    assert min(differences) < 1e-5


def test_a_pipeline_is_built_from_its_parts(make_store):
    augmentation = Augmentation({"noise": lambda skeleton: JointNoise(skeleton, 0.01)}, crop=[0.8, 1.0], mixup=0.2)
    names = [type(step).__name__ for step in augmentation.build(SKELETON, 8, ["joint"])]
    assert names == ["Normalise", "JointNoise", "RandomResample", "Channels", "Mixup"]
