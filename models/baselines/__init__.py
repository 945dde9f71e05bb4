"""Baselines that are fitted by counting."""
