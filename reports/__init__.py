"""From a run's folder to pages and pictures."""
