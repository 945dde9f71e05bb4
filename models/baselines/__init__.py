"""Simple models that a run is compared with: event counts, and linear classifiers of clips."""
