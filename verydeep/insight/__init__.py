"""Insight: maps of a picture, what units like, and whether such maps are to be believed."""
