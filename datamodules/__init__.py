"""From data on disk to batches."""
