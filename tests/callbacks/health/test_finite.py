"""The first number that is not finite ends a run before it does harm, and everything about it is named."""

import math

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.precision import MixedPrecision
from small_runs import B, Clips, Net, Small, fit
from torch import nn

from callbacks.checkpoints import LastAndEvery
from callbacks.health.finite import Finite
from callbacks.health.not_finite import LastForward, members_of, tensors_in
from schemas.batches import EventBatch
from schemas.errors import ExperimentError

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def stop_of(module, **settings) -> str:
    with pytest.raises(ExperimentError) as error:
        fit(module, Finite(), **settings)
    return str(error.value)


def test_a_rate_that_explodes_stops_at_the_first_bad_step_and_the_best_checkpoint_stays_good(tmp_path):
    best = ModelCheckpoint(
        tmp_path, filename="best", monitor="val/loss", mode="min", save_on_train_epoch_end=True, save_weights_only=False
    )
    net, losses = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)), []

    class Watched(Small):
        def on_train_batch_end(self, outputs, batch, batch_index):
            losses.append(float(outputs["loss"]))

    module = Watched(net, schedule=("epoch", lambda epoch: 1.0 if epoch < 2 else 1e38))
    with pytest.raises(ExperimentError) as error:
        fit(module, Finite(), best, LastAndEvery(tmp_path, 25), max_epochs=9)
    text = str(error.value)
    assert text.startswith("finite, epoch 3: ") and "learning rate 1e+37" in text and "Lower optimizer.lr" in text
    # Every loss before was finite, and that of the very next batch was not.
    assert (
        all(map(math.isfinite, losses)) and f"batch {len(losses) - 12 + 1} (optimizer step {len(losses) + 1})" in text
    )
    assert "clip008, clip009" in text and "not finite" in text
    for name in ("best", "last"):
        state = torch.load(tmp_path / f"{name}.ckpt", weights_only=True)
        assert state["epoch"] < 2 and all(bool(t.isfinite().all()) for t in state["state_dict"].values())


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_planted_in_one_clip_names_that_clip(number):
    data = Clips()
    data.parts["train"][3].joints[5, 0, 0, 1] = number
    text = stop_of(Small(nn.Linear(4, 3)), data=data)
    assert "epoch 1: the training loss is nan" in text and "batch 4 (optimizer step 4)" in text
    assert "of clips clip024, clip025" in text and "the batch itself holds" in text and "joints of clip029;" in text
    assert "Correct these clips or leave them out" in text


def test_a_batch_of_many_names_eight_and_how_many_more():
    data = Clips()
    batch = data.parts["train"][0]
    many = {name: torch.cat([value, value]) for name, value in vars(batch).items() if value is not None}
    data.parts["train"][0] = type(batch)(**many)
    data.parts["train"][0].joints[:] = float("nan")
    assert f"clip007 and {B} more" in stop_of(Small(), data=data)


class Poison(nn.Module):
    """The square root of what may be negative, from the n-th pass on."""

    def __init__(self, first: int, value: float = float("nan")):
        super().__init__()
        self.passes, self.first, self.value = 0, first, value

    def forward(self, x):
        self.passes += 1
        return x * (self.value if self.passes >= self.first else 1.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_the_first_module_whose_output_is_not_finite_is_named(value):
    net = Net()
    net.encoder.insert(2, Poison(first=7, value=value))  # two batches of the sanity check come first
    text = stop_of(Small(net))
    assert "batch 5 " in text and "that of net.encoder.2 (Poison)" in text


def test_an_output_of_one_clip_names_the_clip():
    class Fragile(nn.Module):
        def forward(self, x):
            return torch.where((x[:, :1] > 100) & torch.ones_like(x).bool(), torch.nan, x)

    data = Clips()
    data.parts["train"][1].joints[2] = 1000.0
    text = stop_of(Small(nn.Sequential(Fragile(), Net())), data=data)
    assert "net.0 (Fragile) of clip010;" in text and "the batch itself" not in text


def test_a_loss_that_is_not_finite_by_itself_is_told_from_the_net():
    class Logarithm(Small):
        def training_step(self, batch, batch_index):
            return super().training_step(batch, batch_index) + (self.net.head.bias.sum() * 0.0).log()

    text = stop_of(Logarithm())
    assert "the training loss is -inf" in text and "every output of the net is finite" in text


class RootOfNothing(Small):
    """Finite, with a gradient that is not: the slope of a root at zero."""

    def training_step(self, batch, batch_index):
        bias = self.net.head.bias
        zero = (bias - bias.detach()).sum() if batch_index == 2 else bias.sum() * 0 + 1.0
        return super().training_step(batch, batch_index) + zero.sqrt()


def test_a_gradient_that_is_not_finite_stops_before_the_weights_are_touched():
    module = RootOfNothing()
    text = stop_of(module, gradient_clip_val=1.0)
    assert "gradients of head.bias are not finite" in text.replace("net.", "") and "batch 3 (optimizer step 3)" in text
    assert all(bool(p.isfinite().all()) for p in module.parameters())


class BadSlope(torch.autograd.Function):
    """The same number forwards, NaN backwards."""

    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient * torch.nan


@pytest.mark.parametrize("batch", range(5))
def test_of_many_parameters_a_bad_backward_pass_is_seen_in_those_looked_at(batch):
    class Deep(Small):
        def training_step(self, clips, batch_index):
            logits_BK = self.net(clips.joints[:, 0, 0])
            return nn.functional.cross_entropy(
                BadSlope.apply(logits_BK) if batch_index == batch else logits_BK, clips.label
            )

    module = Deep(nn.Sequential(*(nn.Linear(4, 4) for _ in range(12)), nn.Linear(4, 3)))
    text = stop_of(module)
    assert "gradients of net.* (26 parameters) are not finite" in text and f"at batch {batch + 1} " in text
    assert all(bool(p.isfinite().all()) for p in module.parameters())


def test_of_many_parameters_one_that_goes_bad_alone_is_seen_a_batch_later_at_most():
    net = Net()
    net.encoder = nn.Sequential(*(nn.Linear(4, 4) for _ in range(12)), nn.Linear(4, 16))
    text = stop_of(RootOfNothing(net))
    assert "at batch 3 " in text or ("at batch 4 " in text and "is not finite already, by the step before" in text)


def test_weights_that_were_not_finite_before_are_named():
    class Broken(Small):
        def on_train_batch_start(self, batch, batch_index):
            if batch_index == 4:
                self.net.head.weight.data[0, 0] = torch.inf

    text = stop_of(Broken())
    assert "net.head.weight is not finite already" in text and "that of net.head (Linear)" in text


def test_the_forward_pass_is_repeated_with_the_same_random_numbers():
    net = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5))
    forward = LastForward(net, torch.device("cpu"))
    first = net(torch.ones(2, 4))
    torch.rand(7)
    module, again = forward.repeat(torch.autocast("cpu", enabled=False))
    assert module is None and torch.equal(first, again)
    forward.remove()
    assert not net._forward_pre_hooks


def test_manual_optimisation_past_lightning_is_seen_too():
    class Raw(Small):
        automatic_optimization = False

        def training_step(self, batch, batch_index):
            loss = super().training_step(batch, batch_index) * (torch.nan if batch_index == 3 else 1.0)
            loss.backward()
            self.optimizers(use_pl_optimizer=False).step()
            return loss

    assert "the training loss is nan, not a finite number, at batch 4" in stop_of(Raw())


class BadValidation(Small):
    def validation_step(self, batch, batch_index):
        output = super().validation_step(batch, batch_index)
        if self.current_epoch == 1 and batch_index == 1:
            output.logits[3] = torch.nan
            self.log("val/loss", torch.tensor(torch.nan), batch_size=batch.size)
        return output


@pytest.mark.parametrize("at_validation", [True, False])
def test_a_validation_loss_that_is_not_finite_stops_before_the_checkpoints(tmp_path, at_validation):
    save = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=not at_validation)
    with pytest.raises(ExperimentError, match="epoch 2: val/loss is nan, not a finite number for clips clip059, learn"):
        fit(BadValidation(), Finite(), save, max_epochs=4)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch=0.ckpt"]


def test_weights_destroyed_by_the_last_step_do_not_reach_a_checkpoint(tmp_path):
    class LastStep(Small):
        def on_train_batch_end(self, outputs, batch, batch_index):
            if self.current_epoch == 1 and batch_index == 5:
                self.net.head.bias.data[0] = torch.nan

    with pytest.raises(ExperimentError, match=r"epoch 2: net.head.bias is not finite after the epoch's last step"):
        fit(LastStep(), Finite(), LastAndEvery(tmp_path, 1), limit_val_batches=0)
    assert {path.name for path in tmp_path.iterdir()} == {"last.ckpt", "epoch_1.ckpt"}


class Overflowing(Small):
    """Its gradients are infinite at chosen batches; the loss is not."""

    def __init__(self, at=lambda step: True):
        super().__init__()
        self.at, self.step = at, -1

    def on_before_backward(self, loss):
        self.step += 1
        if loss.requires_grad:
            bad = self.at(self.step)
            self.net.head.bias.grad = torch.full_like(self.net.head.bias, torch.inf) if bad else None


def scaled(**settings) -> MixedPrecision:
    return MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", **settings))


def test_under_a_scaler_ten_skipped_steps_in_a_row_stop_the_run():
    module = Overflowing(lambda step: step >= 3)
    text = stop_of(module, max_epochs=9, plugins=[scaled(init_scale=2.0**14)])
    assert "10 optimizer steps in a row were skipped since gradients of net.head.bias were not finite" in text
    assert "loss scale 16" in text  # 2^14 / 2^10
    assert module.step == 3 + 10  # seen at the step after the tenth


def test_under_a_scaler_a_scale_below_1_stops_the_run():
    # Never ten in a row.
    module = Overflowing(lambda step: step % 5 > 0)
    text = stop_of(module, max_epochs=9, plugins=[scaled(init_scale=2.0**6)])
    assert "loss scale 0.5" in text and "optimizer steps in a row" in text


@pytest.mark.parametrize("at", [lambda step: step in (0, 1, 9), lambda step: step < 9])
def test_under_a_scaler_single_skipped_steps_are_silent(at):
    check = Finite()
    fit(Overflowing(at), check, max_epochs=3, plugins=[scaled(init_scale=2.0**14)])
    assert check.found == {}


def test_many_skipped_steps_are_a_note_at_the_end():
    check = Finite()
    fit(
        Overflowing(lambda step: step % 2), check, max_epochs=5, plugins=[scaled(init_scale=2.0**10, growth_interval=1)]
    )
    assert check.found["skipped"].severity == "note" and "15 of 30 optimizer steps" in check.found["skipped"].saw


def test_a_fault_under_a_scaler_that_makes_the_loss_infinite_stops_at_once():
    data = Clips()
    data.parts["train"][0].joints[0] = torch.nan
    assert "loss scale 65536" in stop_of(Small(), data=data, plugins=[scaled()])


class Stranger(Small):
    """No `net`, no names of ours, batches that are tuples."""

    def __init__(self):
        super().__init__()
        self.layers = self.net
        del self.net

    def training_step(self, batch, batch_index):
        x, y = batch
        return nn.functional.cross_entropy(self.layers(x), y)

    def validation_step(self, batch, batch_index):
        pass


def test_a_strangers_module_without_a_net_or_a_datamodule_is_served():
    class Plain(Clips):
        def _loader(self, split):
            pairs = [(batch.joints[:, 0, 0], batch.label) for batch in self.parts[split]]
            return torch.utils.data.DataLoader(pairs, batch_size=None)

    data = Plain()
    fit(Stranger(), Finite(), data=data, limit_val_batches=0)
    data.parts["train"][2].joints[0] = torch.nan
    text = stop_of(Stranger(), data=data, limit_val_batches=0)
    assert "batch 3 (optimizer step 3);" in text and "numbers that are not finite: batch.0;" in text


@pytest.mark.parametrize("settings", [{}, {"accumulate_grad_batches": 4}, {"precision": "bf16-mixed"}])
def test_a_healthy_run_is_not_accused(settings):
    check = Finite()
    module = Small()
    fit(module, check, **settings)
    assert check.found == {} and not module.net._forward_pre_hooks


def test_windows_are_named_by_their_sequences():
    B, T = 2, 3
    sizes = {"source": (B, 1, 1, 2, 1), "source_age": (B, 1, 1, 2), "source_length": (B, 1, 1), "stream": (1,)}
    sizes |= {"target": (B, T + 1, 1), "target_gap": (B, T + 1), "target_length": (B,), "scored": (B, T)}
    batch = EventBatch(**{name: torch.zeros(size) for name, size in sizes.items()}, sequence_id=torch.tensor([2, 0]))

    class Data:
        table = type("Table", (), {"sequence_names": ["N1", "N2", "N3"]})

    trainer = type("Trainer", (), {"datamodule": Data})
    assert members_of(batch, trainer) == ("sequences", ["N3", "N1"])
    trainer.datamodule = None
    assert members_of(batch, trainer) == ("sequences", ["2", "0"])
    assert "target_gap" in dict(tensors_in(batch)) and "sequence_id" not in dict(tensors_in(batch))
