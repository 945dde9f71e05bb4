from itertools import product

import torch

from callbacks.seeding import SeedEachBatch, batch_seed


def test_every_place_has_a_seed_of_its_own():
    places = list(product(range(3), range(20), range(50), range(2)))
    seeds = {batch_seed(*place) for place in places}
    assert len(seeds) == len(places)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_stream_of_a_batch_is_that_of_its_seed_whatever_came_before():
    class Trainer:
        current_epoch, global_rank = 4, 0

    class Module:
        device = torch.device("cpu")

    torch.manual_seed(batch_seed(0, 4, 9, 0))
    expected = torch.rand(5)
    for used in (0, 17):
        torch.rand(used)
        SeedEachBatch(seed=0).on_train_batch_start(Trainer, Module, None, 9)
        assert torch.equal(torch.rand(5), expected)
