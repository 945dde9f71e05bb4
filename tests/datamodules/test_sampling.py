import numpy as np

from datamodules.sampling import ClipSampler


def order(sampler, epoch):
    sampler.set_epoch(epoch)
    return list(sampler)


def test_every_epoch_is_its_own_permutation():
    sampler = ClipSampler(50, seed=0)
    assert sorted(order(sampler, 3)) == list(range(50))
    assert order(sampler, 3) != order(sampler, 4)


def test_the_order_depends_on_seed_and_epoch_alone():
    worn = ClipSampler(50, seed=7)
    for epoch in range(3):
        order(worn, epoch)
    assert order(worn, 9) == order(ClipSampler(50, seed=7), 9)
    assert order(worn, 9) != order(ClipSampler(50, seed=8), 9)


def test_weights_even_out_the_classes():
    label = np.array([0] * 900 + [1] * 100)
    weights = 1.0 / np.bincount(label)[label]
    drawn = label[list(ClipSampler(1000, 0, weights))]
    # 1000 fair draws: the rarer class gets 500 with a standard deviation of 16.
    assert abs(drawn.sum() - 500) < 80


def test_epochs_of_so_many_draws_go_on_where_the_last_one_ended():
    passes, long = ClipSampler(10, seed=3), ClipSampler(10, seed=3, draws=4)
    assert len(passes) == 10 and len(long) == 4
    in_a_row = [item for number in range(6) for item in order(passes, number)]
    assert [item for epoch in range(15) for item in order(long, epoch)] == in_a_row
    assert order(ClipSampler(10, seed=3, draws=25), 1) == in_a_row[25:50]
