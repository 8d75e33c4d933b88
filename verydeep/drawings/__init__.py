"""The built-in dataset: shapes drawn by code, with their boxes."""
