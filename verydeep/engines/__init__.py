"""Engines: what runs a network on the machine at hand."""
