"""The two kinds of finished runs."""

import pytest

from tests.reports.run_folders import finished_clips, finished_events


@pytest.fixture
def clips_run(tmp_path):
    return finished_clips(tmp_path)


@pytest.fixture
def events_run(tmp_path):
    return finished_events(tmp_path)
