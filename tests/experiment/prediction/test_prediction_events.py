"""The newest events of each sequence as the decoder reads them, beside what training gives it."""

import numpy as np
import pytest
import torch

from datamodules.events.datamodule import EventDataModule
from experiment.build import build_datamodule
from experiment.configs.compose import compose_config
from experiment.prediction.events import Histories
from tests.experiment.small_data import EVENT_RUN, make_events, write_events


@pytest.fixture(params=["window", "event"])
def module(request, tmp_path) -> EventDataModule:
    path = write_events(tmp_path / "log.csv", make_events(20))
    words = [*EVENT_RUN, f"datamodule.source.path='{path}'", f"datamodule.context_at={request.param}"]
    return build_datamodule(compose_config([*words, "+datamodule.streams.own={key:case}"]))


def test_a_history_ends_with_its_sequences_last_event(module):
    table, schema = module.table, module.schema
    histories, lengths = Histories(table, schema), np.diff(table.starts)
    assert len(histories) == 20 and lengths.min() < schema.tgt_seq_len < lengths.max()
    rows = np.array([7, 0, 19, int(lengths.argmax()), int(lengths.argmin())])
    batch = histories.gather(rows)
    assert not batch.scored.any()
    for place, row in enumerate(rows):
        n, end = int(batch.target_length[place]), table.starts[row + 1]
        assert n == min(lengths[row], schema.tgt_seq_len)
        assert torch.equal(batch.target[place, :n], torch.from_numpy(table.values[end - n : end].astype(np.int64)))
        # Sources of every cut-off that training knows are those of training; the last event is no input there.
        alone = module.windows.gather(np.array([end - n]), np.array([n - 1]), np.zeros(len(table.time), bool))
        cuts = alone.source.shape[1]
        assert torch.equal(batch.source[place, :cuts], alone.source[0])
        assert torch.equal(batch.source_age[place, :cuts], alone.source_age[0])
        assert torch.equal(batch.source_length[place, :cuts], alone.source_length[0])
        assert torch.equal(batch.target_gap[place, :n], alone.target_gap[0, :n])


def test_with_a_context_at_every_event_the_last_one_has_its_sources(module):
    if module.schema.context_at == "window":
        pytest.skip("there is one cut-off, at the window's first event")
    table, schema = module.table, module.schema
    batch = Histories(table, schema).gather(np.arange(20))
    user, own = schema.number("user"), len(schema.row_streams) - 1
    for row in range(20):
        last, cut = table.starts[row + 1] - 1, int(batch.target_length[row]) - 1
        before = np.arange(table.starts[row], last)[-schema.src_seq_len :]
        assert int(batch.source_length[row, cut, own]) == len(before)
        assert batch.source[row, cut, own, -len(before) :].tolist() == table.values[before].tolist()
        for value in range(1, table.fields[user].size):  # a group of the stream `user`, value by value
            known = (table.values[:, user] == value) & (table.time < table.time[last])
            known = np.flatnonzero(known)[np.argsort(table.time[known], kind="stable")][-schema.src_seq_len :]
            assert int(batch.source_length[row, cut, value - 1]) == len(known)
            if len(known):
                assert batch.source[row, cut, value - 1, -len(known) :].tolist() == table.values[known].tolist()
