"""Frozen, generated data sets: `signs` (hands, arms, body) and `faces` (mouth and jaw). They stand in for recordings."""
