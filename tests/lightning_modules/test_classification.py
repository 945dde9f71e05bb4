"""Loss and metrics of the classifier against closed forms and plain counting."""

import lightning as L
import numpy as np
import pytest
import torch
from torch import nn

from lightning_modules.classification import ClipClassifier
from lightning_modules.schedules import Schedule, constant
from schemas.batches import ClipBatch, ClipOutput

K = 7


class GivenLogits(nn.Module):
    """Reads the logits off the input, scaled by a weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x_BTVC, length_B):
        return x_BTVC[:, 0, 0] * self.weight


def classifier(**settings) -> ClipClassifier:
    settings = {"label_smoothing": 0.0, "class_weights": None} | settings
    return ClipClassifier(
        net=GivenLogits(),
        num_classes=K,
        train_transform=nn.Identity(),
        eval_transform=nn.Identity(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.0),
        schedule=Schedule(constant, "epoch", None, "auto"),
        lr_scale={},
        **settings,
    )


def batch_of(logits_BK, label_B, **mixed) -> ClipBatch:
    ones = torch.ones(len(label_B), dtype=torch.long)
    return ClipBatch(logits_BK[:, None, None], torch.ones(len(label_B), 1, 1).bool(), ones, label_B, ones, **mixed)


class Batches(L.LightningDataModule):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def train_dataloader(self):
        return torch.utils.data.DataLoader(self.batches, batch_size=None)

    val_dataloader = test_dataloader = train_dataloader


@pytest.fixture
def logits_and_label():
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, K - 1, (200,), generator=generator)
    logits = torch.randn(200, K, generator=generator)
    logits[torch.arange(200), label] += 1.0
    return logits, label


def fit(module, batches, **settings) -> L.Trainer:
    settings = {"max_epochs": 1, "num_sanity_val_steps": 0} | settings
    trainer = L.Trainer(
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, **settings
    )
    trainer.fit(module, datamodule=Batches(batches))
    return trainer


@pytest.mark.parametrize("sanity_steps", [0, 2])
def test_metrics_over_batches_are_those_of_plain_counting(logits_and_label, sanity_steps):
    logits, label = logits_and_label
    # The first batch is all wrong or all right: metrics that share their counts there must not stay one.
    easy = logits[:3].clone()
    easy[torch.arange(3), label[:3]] += 100
    logits = torch.cat([easy, logits[3:]])
    batches = [batch_of(logits[a:b], label[a:b]) for a, b in ((0, 3), (3, 90), (90, 200))]
    seen = fit(classifier(), batches, num_sanity_val_steps=sanity_steps).callback_metrics

    ranked = logits.argsort(dim=1, descending=True).numpy()
    hit = ranked == label.numpy()[:, None]
    f1 = []
    for k in np.unique(np.concatenate([ranked[:, 0], label])):
        both = ((ranked[:, 0] == k) & (label.numpy() == k)).sum()
        f1.append(2 * both / ((ranked[:, 0] == k).sum() + (label.numpy() == k).sum()))
    for split in ("train", "val"):
        assert float(seen[f"{split}/accuracy"]) == pytest.approx(hit[:, 0].mean(), abs=1e-6)
        assert float(seen[f"{split}/top5"]) == pytest.approx(hit[:, :5].any(axis=1).mean(), abs=1e-6)
        assert float(seen[f"{split}/macro_f1"]) == pytest.approx(np.mean(f1), abs=1e-6)
        expected = nn.functional.cross_entropy(logits, label)
        assert float(seen[f"{split}/loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_label_smoothing_and_weights_are_in_the_objective_only(logits_and_label):
    logits, label = logits_and_label
    weights = torch.arange(1.0, K + 1)
    module = classifier(label_smoothing=0.1, class_weights=weights)
    seen = fit(module, [batch_of(logits, label)]).callback_metrics
    log_p = logits.log_softmax(dim=1)
    smooth = torch.full((len(label), K), 0.1 / K)
    smooth[torch.arange(len(label)), label] += 0.9
    expected = -(smooth * weights * log_p).sum() / weights[label].sum()
    assert float(seen["train/objective"]) == pytest.approx(float(expected), rel=1e-4)
    for split in ("train", "val"):
        plain = nn.functional.cross_entropy(logits, label)
        assert float(seen[f"{split}/loss"]) == pytest.approx(float(plain), rel=1e-5)


def test_mixup_weighs_both_labels(logits_and_label):
    logits, label = logits_and_label
    other, mix = label.flip(0), torch.rand(200, generator=torch.Generator().manual_seed(1))
    mixed = batch_of(logits, label, other_label=other, mix=mix)
    log_p, rows, weights = logits.log_softmax(dim=1), torch.arange(200), torch.arange(1.0, K + 1)
    expected = -(mix * log_p[rows, label] + (1 - mix) * log_p[rows, other]).mean()
    torch.testing.assert_close(classifier()._objective(logits, mixed), expected)
    one, rest = mix * weights[label], (1 - mix) * weights[other]
    expected = -(one * log_p[rows, label] + rest * log_p[rows, other]).sum() / (one + rest).sum()
    torch.testing.assert_close(classifier(class_weights=weights)._objective(logits, mixed), expected)


def test_evaluation_returns_logits_label_and_clip(logits_and_label):
    logits, label = logits_and_label
    module = classifier()
    module.log = module.log_dict = lambda *arguments, **keywords: None
    output = module.validation_step(batch_of(logits, label), 0)
    assert isinstance(output, ClipOutput)
    torch.testing.assert_close(output.logits, logits)
    assert output.logits.dtype == torch.float32


def test_only_the_net_is_in_the_state_dict():
    names = set(classifier(class_weights=torch.ones(K)).state_dict())
    assert names == {"net.weight"}


def test_transforms_stay_in_float32_under_autocast(logits_and_label):
    """A rotation in bf16 would drown small movements in its rounding."""

    class Turn(nn.Module):
        def forward(self, batch):
            turned = batch.joints @ torch.linalg.qr(torch.ones(K, K) + torch.eye(K)).Q
            return ClipBatch(turned, batch.visible, batch.length, batch.label, batch.clip_id)

    batch = batch_of(*logits_and_label)
    with torch.autocast("cpu", torch.bfloat16):
        done = ClipClassifier._transformed(Turn(), batch)
    torch.testing.assert_close(done.joints, Turn()(batch).joints, rtol=0, atol=0)
