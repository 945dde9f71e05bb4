"""What simple models reach on a run's own data, and the run beside them."""
