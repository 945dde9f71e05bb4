"""Nothing to learn from is said with its reason; healthy runs are not accused."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import BackboneFinetuning, ModelCheckpoint
from lightning.pytorch.plugins.precision import MixedPrecision
from small_runs import B, Clips, K, Net, Small, fit
from torch import nn

from callbacks.health.gradients import Gradients
from models.gcn_lstm.readout import LastHidden
from models.gcn_lstm.temporal import BiLSTM
from schemas.errors import ExperimentError
from schemas.findings import Severity


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def found(module: L.LightningModule, known=(), **settings) -> dict[str, tuple[Severity, str]]:
    check = Gradients(known)
    fit(module, check, **settings)
    return {key: (finding.severity, finding.saw) for key, finding in check.found.items()}


class NoBackward(Small):
    def backward(self, loss, *args, **kwargs):
        pass


class Manual(Small):
    """Manual optimisation that may leave out its steps."""

    backward_too, step_too = True, True

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_index):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        loss = super().training_step(batch, batch_index)
        if self.backward_too:
            self.manual_backward(loss)
        if self.step_too:
            optimizer.step()


class Raw(Small):
    """Manual optimisation past Lightning."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_index):
        optimizer = self.optimizers(use_pl_optimizer=False)
        optimizer.zero_grad()
        super().training_step(batch, batch_index).backward()
        optimizer.step()


class Detached(Small):
    def training_step(self, batch, batch_index):
        return super().training_step(batch, batch_index).detach()


class Zeroed(Small):
    def training_step(self, batch, batch_index):
        return 0.0 * super().training_step(batch, batch_index)


class OtherParameters(Small):
    def configure_optimizers(self):
        return torch.optim.SGD(Net().parameters(), lr=0.1)


class NoOptimizer(Small):
    def configure_optimizers(self):
        return None


class Lossless(Small):
    def training_step(self, batch, batch_index):
        super().training_step(batch, batch_index)


def manual(**left_out) -> Manual:
    module = Manual()
    for name, value in left_out.items():
        setattr(module, name, value)
    return module


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (NoBackward(), "not one trainable parameter has a gradient.*Is backward called"),
        (manual(backward_too=False), "not one trainable parameter has a gradient.*Is backward called"),
        (manual(step_too=False), "none of 6 .* changed: no optimizer made a step.*manual_backward"),
        (manual(backward_too=False, step_too=False), "none of 6 .* changed: no optimizer made a step"),
        (Detached(), r"loss does not depend on any parameter.*detach\(\)"),
        (Zeroed(), "none of 6 .*got a gradient.*never got a gradient other than zero"),
        (Small(lr=0.0), "none of 6 .* changed: they got gradients in 6 optimizer steps at a learning rate of 0"),
        (OtherParameters(), "not one|optimizer holds other parameters"),
        (NoOptimizer(), "there is no optimizer"),
        (Lossless(), "no loss was ever passed to backward.*Does training_step return the loss"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_what_can_never_learn_stops_in_the_first_epoch_with_the_reason(module, reason):
    with pytest.raises(ExperimentError, match=f"gradients, epoch 1: .*{reason}"):
        fit(module, Gradients(), max_epochs=3)
    assert module.trainer.current_epoch == 0


def test_a_module_with_nothing_to_train_stops_before_its_optimizer_complains():
    with pytest.raises(ExperimentError, match="of 6 parameters not one is trainable"):
        fit(Small(Net().requires_grad_(False)), Gradients())
    with pytest.raises(ExperimentError, match="the module has no parameters"):
        fit(Small(nn.Identity()), Gradients())


class WithSpare(Net):
    """Carries a module that nothing reads, and an output whose factor is zero."""

    def __init__(self, known=False):
        super().__init__()
        self.spare, self.muted = nn.Linear(2, 2), nn.Linear(16, K)
        if known:
            self.spare.known_unused, self.known_unused = ("",), ("muted.",)

    def forward(self, x_BC):
        hidden = self.encoder(x_BC)
        return self.head(hidden) + 0.0 * self.muted(hidden)


def test_parameters_without_a_gradient_are_named_and_those_declared_are_a_note():
    severity, saw = found(Small(WithSpare()))["gradient"]
    assert severity == Severity.WARNING
    assert all(name in saw for name in ("spare.weight", "spare.bias", "muted.weight")) and "head" not in saw
    assert "57 of 460 numbers" in saw  # 2*2+2 and 16*3+3 of these and 4*16+16, 16*16+16, 16*3+3
    assert found(Small(WithSpare(known=True))).keys() == {"known"}
    findings = found(Small(WithSpare()), known=["spare", "muted"])
    assert findings.keys() == {"known"} and findings["known"][0] == Severity.NOTE


def test_the_unused_norm_of_the_documented_preset_is_a_note():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.temporal = BiLSTM(4, 3, 1, 0.0, LastHidden, unused_norm=True, motion=None)
            self.head = nn.Linear(self.temporal.width, K)

        def forward(self, x_BC):
            out_BTW, _ = self.temporal.lstm(x_BC[:, None].expand(-1, 3, -1))
            return self.head(out_BTW.mean(dim=1))

    findings = found(Small(Recurrent()))
    assert findings.keys() == {"known"} and "temporal.unused_norm.weight" in findings["known"][1]


def test_many_parameters_of_one_module_are_named_as_that_module():
    net = Net()
    net.spare = nn.Sequential(*(nn.Linear(2, 2) for _ in range(4)))
    assert "spare.* (8 parameters): got no gradient" in found(Small(net))["gradient"][1]


def test_what_is_in_no_optimizer_got_gradients_and_did_not_change():
    class HeadOnly(Small):
        def configure_optimizers(self):
            return torch.optim.SGD(self.net.head.parameters(), lr=0.1)

    severity, saw = found(HeadOnly())["unchanged"]
    assert severity == Severity.WARNING and "encoder.0.weight" in saw and "head" not in saw


def test_a_frozen_encoder_is_named_unless_it_is_declared_or_thawed_later():
    def frozen() -> Small:
        module = Small()
        module.net.encoder.requires_grad_(False)
        return module

    severity, saw = found(frozen())["frozen"]
    assert severity == Severity.WARNING and "encoder.0.weight" in saw and "352 of 403 numbers" in saw
    assert found(frozen(), known=["encoder."])["declared_frozen"][0] == Severity.NOTE

    module = Small()
    module.backbone = module.net.encoder
    check = Gradients()
    fit(module, check, BackboneFinetuning(unfreeze_backbone_at_epoch=2, verbose=False), max_epochs=2)
    assert check.found.keys() == {"declared_frozen"}


class Rows(nn.Module):
    """An embedding of which few rows are ever read, an LSTM, and a branch whose factor begins at zero."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(500, 8)
        self.lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True, batch_first=True)
        self.inner, self.factor, self.norm = nn.Linear(12, 12), nn.Parameter(torch.zeros(1)), nn.BatchNorm1d(12)
        self.head = nn.Linear(12, K)

    def forward(self, x_BC):
        out_BTW, _ = self.lstm(self.embedding((x_BC.abs() * 2).long()))
        mean = out_BTW.mean(dim=1)
        return self.head(self.norm(mean + self.factor * self.inner(mean)))


def first_step_at_rate_0(step: int) -> float:
    return min(1.0, step / 4)


HEALTHY = {
    "plain": (Small, {}),
    "adam": (lambda: Small(optimizer=torch.optim.AdamW, lr=1e-3), {}),
    "fine-tuned": (lambda: Small(lr=1e-4), {}),
    "accumulation": (Small, {"accumulate_grad_batches": 4}),
    "accumulation over more than the epoch": (Small, {"accumulate_grad_batches": 100}),
    "clipped": (Small, {"gradient_clip_val": 0.1}),
    "bf16": (Small, {"precision": "bf16-mixed"}),
    "warm-up from rate 0": (lambda: Small(schedule=("step", first_step_at_rate_0)), {}),
    "warm-up, one step an epoch": (lambda: Small(schedule=("step", first_step_at_rate_0)), {"data": Clips(train=1)}),
    "warm-up whose first epoch has rate 0": (lambda: Small(schedule=("epoch", first_step_at_rate_0)), {}),
    "embedding, LSTM, zero factor, BatchNorm": (lambda: Small(Rows()), {}),
    "the same, one step an epoch": (lambda: Small(Rows()), {"data": Clips(train=1), "max_epochs": 5}),
    "manual": (Manual, {}),
    "manual past Lightning": (Raw, {}),
    "tied": (lambda: Small(nn.Sequential(layer := nn.Linear(4, 4), nn.Tanh(), layer, nn.Linear(4, K))), {}),
    "one batch of everything": (Small, {"fast_dev_run": True}),
}


@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.filterwarnings("ignore")
def test_a_healthy_run_is_not_accused(name):
    make, settings = HEALTHY[name]
    assert found(make(), **settings) == {}


def test_batches_without_a_loss_are_waited_for():
    class LateLoss(Small):
        def training_step(self, batch, batch_index):
            return None if batch_index < 2 else super().training_step(batch, batch_index)

    assert found(LateLoss()) == {}


def test_steps_that_a_scaler_skips_have_gradients(recwarn):
    # A scale this large overflows in the first epoch's every step; it halves until it fits.
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, backoff_factor=2.0**-12)
    plugin = MixedPrecision("16-mixed", "cpu", scaler)
    assert found(Small(), max_epochs=4, plugins=[plugin]) == {}


def test_a_resumed_run_is_checked_from_where_it_goes_on(tmp_path):
    save = ModelCheckpoint(tmp_path, filename="first", save_on_train_epoch_end=True)
    fit(Small(), save, max_epochs=1)
    settings = {"max_epochs": 3, "ckpt_path": tmp_path / "first.ckpt"}
    assert found(Small(), **settings) == {}
    with pytest.raises(ExperimentError, match=r"gradients, epoch 2: .*not one trainable parameter has a gradient"):
        fit(NoBackward(), Gradients(), **settings)


def test_copies_of_the_weights_are_let_go_after_the_first_epoch():
    check = Gradients()

    class Watch(L.Callback):
        sizes = ()

        def on_train_epoch_start(self, trainer, pl_module):
            self.sizes += (len(check._before),)

    watch = Watch()
    fit(Small(), check, watch, data=Clips(train=B))
    assert watch.sizes == (6, 0)
