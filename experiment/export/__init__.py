"""A trained run as one file that needs no code of ours."""
