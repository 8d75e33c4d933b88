"""Labelled pictures as people keep them: in folders, or named by a table."""
