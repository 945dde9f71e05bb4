"""The multi-stream event predictor."""
