"""Pure nn.Modules and count baselines: no Lightning, no Hydra, no file is read."""
