"""Health checks: what goes wrong in a run, said while it happens; one idea a file."""
