"""Learned weights of an ensemble's members, beside a closed form, a grid, and the conditions of a minimum."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from experiment.evaluation.ensemble import Answers, averaged, learned_weights
from experiment.evaluation.figures import nats
from experiment.evaluation.member_weights import fit_weights
from experiment.evaluation.request import Request
from schemas.batches import ClipOutput
from schemas.errors import ConfigError, DataError


def mixture_nats(log_p_MN: torch.Tensor, weight_M: torch.Tensor) -> float:
    """The mixture's mean cross-entropy."""
    return -float(np.log(weight_M.numpy() @ log_p_MN.double().exp().numpy()).mean())


def some_members(members: int, clips: int = 400, seed: int = 0) -> torch.Tensor:
    """Log probabilities of the true class, members unlike one another."""
    logits = torch.randn(members, clips, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    logits[..., 0] += torch.linspace(0, 2, members)[:, None]
    return logits.log_softmax(dim=2)[..., 0]


def test_of_members_that_know_different_clips_each_weighs_its_share():
    log_p = torch.full((2, 10), -60.0)
    log_p[0, :3] = log_p[1, 3:] = 0.0
    assert fit_weights(log_p).tolist() == pytest.approx([0.3, 0.7], abs=1e-5)


def test_no_weights_of_a_fine_grid_are_better():
    log_p = some_members(3)
    found, p = mixture_nats(log_p, fit_weights(log_p)), log_p.exp().numpy()
    grid = [(a, b, 1 - a - b) for a in np.linspace(0, 1, 101) for b in np.linspace(0, 1 - a, 101)]
    best = min(-np.log(np.array(weights) @ p).mean() for weights in grid)
    assert best - 2e-4 < found < best + 2e-6


@pytest.mark.parametrize("members", [2, 4, 8])
def test_at_the_minimum_a_member_that_counts_is_on_average_as_likely_as_the_mixture(members):
    p, weights = some_members(members).exp(), fit_weights(some_members(members))
    share = (p / (weights @ p)).mean(dim=1)
    assert float(weights.sum()) == pytest.approx(1) and float(weights.min()) >= 0
    assert share.max() < 1 + 1e-5 and share[weights > 0.02].min() > 1 - 1e-3


def test_equal_members_weigh_the_same():
    log_p = some_members(1).expand(4, -1)
    assert fit_weights(log_p).tolist() == [0.25] * 4
    assert mixture_nats(log_p, fit_weights(log_p)) == pytest.approx(float(-log_p[0].mean()))


def test_a_member_that_is_better_everywhere_takes_all():
    log_p = some_members(1)
    weights = fit_weights(torch.cat([log_p, log_p - 3]))
    assert weights.tolist() == pytest.approx([1, 0], abs=1e-6)


def test_members_that_are_never_right_are_weighed_too():
    log_p = torch.stack([torch.full((20,), -900.0), torch.full((20,), -901.0)])
    assert fit_weights(log_p).tolist() == pytest.approx([1, 0], abs=1e-5)


@pytest.mark.parametrize("log_p", [torch.zeros(2, 0), torch.tensor([[0.0], [-torch.inf]]), torch.tensor([[torch.nan]])])
def test_without_clips_or_numbers_there_are_no_weights(log_p):
    with pytest.raises(ValueError, match="finite"):
        fit_weights(log_p)


def some_answers(seed: int, skill: float) -> Answers:
    """Of always the same 200 clips, better where the skill is larger."""
    label = torch.randint(5, (200,), generator=torch.Generator().manual_seed(99))
    noise = torch.randn(2, 200, 5, generator=torch.Generator().manual_seed(seed))
    val, on = (
        ClipOutput(each + skill * torch.nn.functional.one_hot(label, 5), label, torch.arange(200)) for each in noise
    )
    return Answers(f"run {seed}", val, on)


def test_weights_are_those_of_validation_and_weigh_probabilities():
    members = [some_answers(0, 1.0), some_answers(1, 2.0), some_answers(2, 0.1)]
    weights = learned_weights(members)
    assert weights.argmax() == 1 and weights.argmin() == 2
    other = replace(members[0], on=some_answers(3, 4.0).on)
    assert learned_weights([other, *members[1:]]).equal(weights)  # what is evaluated has no part in it
    p = np.stack([member.on.logits.double().softmax(1).numpy() for member in members])
    whole = averaged(members, weights)
    assert np.allclose(whole.on.logits.exp().numpy(), np.einsum("m,mnk->nk", weights.numpy(), p), atol=1e-6)
    val = [float(nats(each.val).mean()) for each in (whole, averaged(members), *members)]
    assert val[0] < min(val) + 2e-6


def test_weights_that_are_equal_are_the_plain_average():
    members = [some_answers(0, 1.0), some_answers(1, 2.0)]
    found = averaged(members, torch.full((2,), 0.5, dtype=torch.float64))
    assert torch.allclose(found.on.logits, averaged(members).on.logits, atol=1e-6)


def test_without_a_number_or_of_other_clips_nothing_is_learned():
    one, other = some_answers(0, 1.0), some_answers(1, 2.0)
    broken = replace(other, val=replace(other.val, logits=other.val.logits.fill_(torch.nan)))
    with pytest.raises(DataError, match="run 1: it has no number for some validation clip"):
        learned_weights([one, broken])
    with pytest.raises(DataError, match="did not answer to the same clips"):
        learned_weights([one, replace(one, val=replace(one.val, clip_id=torch.arange(200) + 1))])


@pytest.mark.parametrize(
    ("runs", "word", "message"),
    [
        (("a", "b"), "weights=best", "weights: 'best' is no way to weigh. Ways: equal, learned"),
        (("a",), "weights=learned", "weights: one run has nothing to weigh"),
    ],
    ids=["best", "one"],
)
def test_a_word_that_cannot_be_used_is_refused(runs, word, message, tmp_path):
    folders = [tmp_path / name for name in runs]
    for folder in folders:
        folder.mkdir()
        (folder / "config.yaml").write_text("")
    named = f"run=[{','.join(map(str, folders))}]"
    assert Request.from_words([named]).weights == "equal"
    with pytest.raises(ConfigError, match=message):
        Request.from_words([named, word])
