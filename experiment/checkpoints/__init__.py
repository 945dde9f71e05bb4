"""The checkpoint file: written whole, verified before every load, and what one may build."""
