"""What a trained run says of raw clips and logs: in memory, or as a file of predictions."""
