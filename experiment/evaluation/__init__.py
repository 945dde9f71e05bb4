"""A trained run on the data of a split: figures with intervals, calibration, verdict."""
