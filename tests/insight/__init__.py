"""Insight: maps of a picture, and what units like."""
