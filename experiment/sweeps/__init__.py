"""Many runs of one command: sweeps, and searches by Optuna."""
