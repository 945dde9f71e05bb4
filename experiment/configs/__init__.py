"""The config of a run: composed, and judged before torch is imported."""
