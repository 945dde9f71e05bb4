from itertools import product

import torch

from callbacks.seeding import SeedEachBatch, batch_seed


def test_every_place_has_a_seed_of_its_own():
    places = list(product(range(3), range(20), range(50), range(2)))
    seeds = {batch_seed(*place) for place in places}
    assert len(seeds) == len(places)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_stream_of_a_batch_does_not_depend_on_what_came_before():
    class Trainer:
        current_epoch, global_rank = 4, 0

    drawn = []
    for used in (0, 17):
        torch.rand(used)
        SeedEachBatch(seed=0).on_train_batch_start(Trainer, None, None, 9)
        drawn.append(torch.rand(5))
    assert torch.equal(*drawn)
