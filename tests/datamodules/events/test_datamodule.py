"""The DataModule of events: its schema, its loaders, and the same windows whatever the workers."""

import numpy as np
import pandas as pd
import pytest
import torch

from datamodules.events.datamodule import EventDataModule
from datamodules.events.sources import FileSource
from datamodules.splits import SequenceHashSplit
from schemas.errors import DataError
from schemas.events import PAD, EventSchema

GAPS = [30.0, 600.0, 9000.0]


@pytest.fixture
def log(tmp_path):
    rng, rows = np.random.default_rng(0), []
    for case in range(30):
        moment = pd.Timestamp("2024-01-01") + pd.Timedelta(hours=int(rng.integers(99)))
        for _ in range(int(rng.integers(1, 25))):
            rows.append((f"case {case}", moment, rng.choice(["a", "b", "c"]), f"p{case % 3}"))
            moment += pd.Timedelta(seconds=float(rng.choice(GAPS)))
    path = tmp_path / "log.csv"
    pd.DataFrame(rows, columns=["case", "time", "kind", "priority"]).to_csv(path, index=False)
    return path


def module(path, **changed) -> EventDataModule:
    settings = {
        "source": FileSource(str(path)),
        "sequence": "case",
        "time": "time",
        "time_format": None,
        "order_by": [],
        "fields": {"kind": {}, "gap": {"kind": "gap", "edges": [0, 60, 3600]}, "priority": {"role": "static"}},
        "streams": {"own": {"key": "case"}, "kind": {"key": "kind", "groups": "all"}, "none": None},
        "split": SequenceHashSplit(val_share=0.2, test_share=0.2, seed=0),
        "min_sequences": 2,
        "id_category_size": 100,
        "src_seq_len": 5,
        "tgt_seq_len": 6,
        "context_at": "window",
        "batch_size": 8,
        "steps_per_epoch": None,
        "num_workers": 0,
        "seed": 0,
    }
    return EventDataModule(**(settings | changed))


def scored_targets(loader) -> torch.Tensor:
    """[n, 1 + F] the scored events with their sequence, in order of the loader."""
    found = []
    for batch in loader:
        sequence = batch.sequence_id[:, None, None].expand(*batch.scored.shape, 1)
        found.append(torch.cat([sequence, batch.target[:, 1:]], dim=2)[batch.scored])
    return torch.cat(found)


def test_the_schema_says_what_the_model_needs(log):
    schema = module(log).schema
    assert schema.dynamic_names == ("kind", "gap")
    assert [stream.key for stream in schema.streams] == [None, "kind"]
    assert schema.row_streams == (0, 1, 1, 1, 1)  # UNK, a, b, c
    assert EventSchema.from_dict(schema.to_dict()) == schema
    gap, typical = schema.field("gap"), np.array(schema.typical_gaps)
    names = [gap.name_of(value) for value in range(gap.size)]
    for seconds, name in zip(GAPS, ("0-60 s", "1-60 min", "1 h or more"), strict=True):
        assert typical[names.index(name)] == pytest.approx(np.log1p(seconds), rel=1e-5)


def test_every_target_of_each_split_comes_once(log):
    data = module(log)
    for split in ("train", "val", "test"):
        loader = getattr(data, f"{split}_dataloader")()
        found = scored_targets(loader)
        rows = data.table.targets(split)
        expected = np.concatenate([data.table.sequence[rows][:, None], data.table.values[rows]], axis=1)
        assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, expected.tolist()))


def test_training_windows_change_with_the_epoch_and_not_with_the_workers(log):
    loaders = [module(log, num_workers=workers).train_dataloader() for workers in (0, 1)]
    for epoch in (0, 1):
        for loader in loaders:
            loader.sampler.set_epoch(epoch)
        one, other = (list(loader) for loader in loaders)
        assert len(one) == len(other) == len(loaders[0])
        assert all(
            torch.equal(a.target, b.target) and torch.equal(a.source, b.source) for a, b in zip(one, other, strict=True)
        )
    first = scored_targets(loaders[0])
    loaders[0].sampler.set_epoch(2)
    assert not torch.equal(first, scored_targets(loaders[0]))


def test_padding_is_pad_and_what_is_read_is_not(log):
    batch = next(iter(module(log).val_dataloader()))
    steps = torch.arange(batch.target.shape[1])
    real = steps < batch.target_length[:, None]
    assert (batch.target[~real] == PAD).all() and (batch.target[real] != PAD).all()
    newest = torch.arange(5) >= 5 - batch.source_length[..., None]
    assert (batch.source[~newest] == PAD).all() and (batch.source[newest] != PAD).all()


def test_a_source_that_is_not_there_says_where_it_can_be_had(tmp_path):
    source = FileSource(str(tmp_path / "nowhere.csv"), origin="Ask the owner for it.")
    with pytest.raises(DataError, match=r"nowhere.csv: there is no such file or folder. Ask the owner"):
        _ = module(tmp_path, source=source).table
