"""The LightningModules that wrap the models."""
