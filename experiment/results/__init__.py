"""Runs read back from their folders: grouped, ranked and compared, without torch."""
