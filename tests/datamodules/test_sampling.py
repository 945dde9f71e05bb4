import numpy as np

from datamodules.sampling import EpochSampler


def order(sampler, epoch):
    sampler.set_epoch(epoch)
    return list(sampler)


def test_every_epoch_is_its_own_permutation():
    sampler = EpochSampler(50, seed=0)
    assert sorted(order(sampler, 3)) == list(range(50))
    assert order(sampler, 3) != order(sampler, 4)


def test_the_order_depends_on_seed_and_epoch_alone():
    worn = EpochSampler(50, seed=7)
    for epoch in range(3):
        order(worn, epoch)
    assert order(worn, 9) == order(EpochSampler(50, seed=7), 9)
    assert order(worn, 9) != order(EpochSampler(50, seed=8), 9)


def test_weights_even_out_the_classes():
    label = np.array([0] * 900 + [1] * 100)
    weights = 1.0 / np.bincount(label)[label]
    drawn = label[list(EpochSampler(1000, 0, weights))]
    # 1000 fair draws: the rarer class gets 500 with a standard deviation of 16.
    assert abs(drawn.sum() - 500) < 80
