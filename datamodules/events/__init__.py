"""Event sequences: tables, windows, data sets and their DataModule."""
