"""What a checkpoint says of itself, ours or a stranger's, and how much of that is known."""
