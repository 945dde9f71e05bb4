"""Runs of a second have no time for pictures before their end; what is drawn is tested all the same."""

import math

import pytest

import callbacks.split_chart


@pytest.fixture(autouse=True)
def pictures_at_any_cost(monkeypatch):
    monkeypatch.setattr(callbacks.split_chart, "SHARE", math.inf)
