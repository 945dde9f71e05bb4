"""From clips in a known format to a processed store, and what a source seems to be."""
