"""The data checks as a callback: said once before training, switched off by name, a stop ends the run."""

from types import SimpleNamespace

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from callbacks.health.check import findings_of
from callbacks.health.data import DataChecks
from schemas.errors import ConfigError, ExperimentError
from schemas.findings import Finding, Severity

COPY = Finding("duplicates", "1 of 5 test clips stand in train.", "Leave it out.", key="duplicates train/test")
GROUP = Finding("groups", "ben is on both sides.", "Mend the split.", key="groups signer train/test")
FOOT = Finding("constant", "left_foot is never seen.", "Check.", Severity.NOTE, key="constant never seen")
SAME = Finding("test_as_validation", "val is test.", "Mend datamodule.split.", Severity.STOP, key="test_as_validation")


class Data(L.LightningDataModule):
    def __init__(self, findings):
        super().__init__()
        self.found, self.asked = findings, 0

    def findings(self):
        self.asked += 1
        return self.found

    def train_dataloader(self):
        return DataLoader(torch.zeros(2, 1))


class Counter(L.LightningModule):
    """Counts its training steps."""

    def __init__(self):
        super().__init__()
        self.weight, self.steps = torch.nn.Parameter(torch.zeros(1)), 0

    def training_step(self, batch, index):
        self.steps += 1
        return (batch * self.weight).sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(data, callback: DataChecks, tmp_path) -> tuple[L.Trainer, Counter]:
    trainer = L.Trainer(
        max_epochs=2,
        accelerator="cpu",
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    module = Counter()
    try:
        trainer.fit(module, datamodule=data)
    except ExperimentError as error:
        module.stopped_by = error
    return trainer, module


def test_all_findings_are_said_once_and_kept(tmp_path, capsys):
    data = Data([COPY, GROUP, FOOT])
    trainer, module = fit(data, DataChecks(skip=[]), tmp_path)
    said = " ".join(capsys.readouterr().out.split())
    assert [said.count(finding.saw) for finding in (COPY, GROUP, FOOT)] == [1, 1, 1]
    assert findings_of(trainer) == [COPY, GROUP, FOOT]
    assert data.asked == 1 and module.steps == 4


def test_a_check_is_switched_off_by_its_name(tmp_path, capsys):
    trainer, _ = fit(Data([COPY, GROUP]), DataChecks(skip=["duplicates"]), tmp_path)
    assert findings_of(trainer) == [GROUP] and COPY.saw not in capsys.readouterr().out


def test_a_stop_ends_the_run_before_its_first_step_and_after_the_rest_was_said(tmp_path, capsys):
    trainer, module = fit(Data([SAME, COPY]), DataChecks(skip=[]), tmp_path)
    assert module.steps == 0
    assert str(module.stopped_by) == "test_as_validation: val is test. Mend datamodule.split."
    assert findings_of(trainer) == [COPY, SAME] and COPY.check in capsys.readouterr().out


def test_a_stop_can_be_switched_off_too(tmp_path):
    _, module = fit(Data([SAME]), DataChecks(skip=["test_as_validation"]), tmp_path)
    assert module.steps == 4


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"callbacks\.data\.skip.*no data check 'duplicate'.*duplicates, .*padding"):
        DataChecks(skip=["duplicate", "groups"])


def test_data_that_cannot_be_asked_are_left_alone():
    checks = DataChecks(skip=[])
    checks.on_fit_start(SimpleNamespace(datamodule=None), None)
    assert checks.found == {}
