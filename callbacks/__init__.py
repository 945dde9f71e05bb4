"""What happens around training, one idea a file; callbacks read the schema, the batch and the step outputs only."""
