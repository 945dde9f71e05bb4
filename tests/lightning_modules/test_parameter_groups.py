"""Learning rates by part: which group a parameter is in, and that every schedule keeps the groups' ratios."""

import warnings
from functools import partial

import pytest
import torch
from lightning.fabric.plugins.precision.amp import _optimizer_handles_unscaling
from torch import nn
from torch.optim import SGD, AdamW

from lightning_modules.parameter_groups import build_optimizer, longest_prefix, under
from lightning_modules.schedules import constant, cosine, one_cycle, plateau, step

SCALE = {"spatial": 0.1, "spatial.1": 0.01}


def net() -> nn.Module:
    """spatial.0, spatial.1, spatial.10 (by name only) and a head, a weight each."""
    parts = nn.ModuleDict({name: nn.Linear(2, 2, bias=False) for name in ("0", "1", "10")})
    return nn.ModuleDict({"spatial": parts, "head": nn.Linear(2, 2, bias=False)})


@pytest.mark.parametrize(
    ("name", "prefix", "expected"),
    [("a.b", "a", True), ("a.b", "a.b", True), ("ab.c", "a", False), ("a.b.10.w", "a.b.1", False), ("a", "a.b", False)],
)
def test_a_prefix_is_of_whole_words(name, prefix, expected):
    assert under(name, prefix) is expected


def test_the_longest_prefix_counts():
    assert longest_prefix("spatial.1.weight", SCALE) == "spatial.1"
    assert longest_prefix("spatial.10.weight", SCALE) == "spatial"
    assert longest_prefix("head.weight", SCALE) is None


def test_each_parameter_is_in_the_group_of_its_rate_and_the_first_is_the_base():
    module = net()
    built = build_optimizer(partial(AdamW, lr=0.5, weight_decay=0.3), module, SCALE)
    assert [group["lr"] for group in built.param_groups] == pytest.approx([0.5, 0.05, 0.005])
    assert {group["weight_decay"] for group in built.param_groups} == {0.3}
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    found = [[names[id(parameter)] for parameter in group["params"]] for group in built.param_groups]
    assert found == [["head.weight"], ["spatial.0.weight", "spatial.10.weight"], ["spatial.1.weight"]]


def test_without_factors_there_is_one_group_as_ever():
    module = net()
    (group,) = build_optimizer(partial(SGD, lr=0.5), module, {}).param_groups
    assert group["lr"] == 0.5 and [id(p) for p in group["params"]] == [id(p) for p in module.parameters()]


@pytest.mark.parametrize(
    "optimizer", [partial(SGD, lr=0.5, momentum=0.9), partial(AdamW, lr=0.5)], ids=["sgd", "adamw"]
)
def test_a_base_group_without_parameters_is_there_and_steps(optimizer):
    module = net()
    built = build_optimizer(optimizer, module, {"spatial": 0.1, "head": 1.0})
    before = module["head"].weight.detach().clone()
    sum(parameter.square().sum() for parameter in module.parameters()).backward()
    built.step()
    assert built.param_groups[0]["params"] == [] and built.param_groups[0]["lr"] == 0.5
    assert not torch.equal(module["head"].weight, before)


def test_a_step_of_sgd_goes_as_far_as_each_rate_says():
    module = net()
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    built = build_optimizer(partial(SGD, lr=0.5), module, SCALE)
    sum(p.sum() for p in module.parameters()).backward()  # every gradient is 1
    built.step()
    went = {name: float((before[name] - p).detach().mean()) for name, p in module.named_parameters()}
    expected = {"spatial.0.weight": 0.05, "spatial.1.weight": 0.005, "spatial.10.weight": 0.05, "head.weight": 0.5}
    assert went == pytest.approx(expected, rel=1e-4)


SCHEDULES = {
    "constant": constant,
    "cosine": partial(cosine, warmup=0.0, final=0.01),
    "warmup_cosine": partial(cosine, warmup=0.3, final=0.01),
    "one_cycle": partial(one_cycle, warmup=0.3, start=0.04, final=0.0001),
    "step": partial(step, parts=3, factor=0.1),
    "plateau": partial(plateau, mode="min", factor=0.5, patience=0),
}


@pytest.mark.parametrize("resumed_after", [None, 7])
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_keeps_the_ratios_of_the_rates(name, resumed_after):
    # 40 halvings of 1e-3 go far below 1e-8, where torch's plateau leaves a rate as it is.
    total, make = 40, SCHEDULES[name]
    optimizer = build_optimizer(partial(SGD, lr=1e-3), net(), SCALE)
    scheduler = make(optimizer, total)
    alone = SGD([nn.Parameter(torch.zeros(1))], lr=1e-3)
    alone_scheduler = make(alone, total)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for done in range(total):
            base, *others = (group["lr"] for group in optimizer.param_groups)
            assert base == alone.param_groups[0]["lr"]  # the logged one is what it would be without factors
            assert [rate / base for rate in others] == pytest.approx([0.1, 0.01], rel=1e-9)
            for one, schedule in ((optimizer, scheduler), (alone, alone_scheduler)):
                one.step()
                schedule.step(*([1.0] if name == "plateau" else []))
            if done == resumed_after:
                saved = optimizer.state_dict(), scheduler.state_dict()
                optimizer = build_optimizer(partial(SGD, lr=1e-3), net(), SCALE)
                scheduler = make(optimizer, total)
                optimizer.load_state_dict(saved[0])
                scheduler.load_state_dict(saved[1])


@pytest.mark.parametrize(
    "optimizer", [partial(SGD, lr=0.5, momentum=0.9), partial(AdamW, lr=0.5)], ids=["sgd", "adamw"]
)
@pytest.mark.parametrize("scale", [{}, SCALE], ids=["one group", "groups"])
def test_a_fused_optimizer_is_clipped_behind_a_scaler_as_any_other(optimizer, scale):
    """Three steps as Lightning's fp16 AMP takes them: unscale, clip, step; against torch's own loop over weights."""
    ends = []
    for fused in (True, False):
        torch.manual_seed(0)
        module, scaler = net(), torch.amp.GradScaler("cpu", init_scale=1024.0)
        built = build_optimizer(partial(optimizer, fused=fused), module, scale)
        assert not _optimizer_handles_unscaling(built)  # Lightning refuses to clip where it does
        for _ in range(3):
            built.zero_grad()
            scaler.scale(sum(p.square().sum() for p in module.parameters())).backward()
            scaler.unscale_(built)
            nn.utils.clip_grad_norm_(module.parameters(), 0.1)
            scaler.step(built)
            scaler.update()
        ends.append([p.detach() for p in module.parameters()])
    for mine, other in zip(*ends, strict=True):
        torch.testing.assert_close(mine, other)
