"""Skeleton clips: the store, its importers and generators, transforms and the DataModule."""
