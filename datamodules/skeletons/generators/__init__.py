"""Frozen, generated data sets that stand in for recordings: `signs` (hands, arms, body), `faces` (mouth and jaw)."""
