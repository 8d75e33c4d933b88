"""Ascent: pictures made by following gradients back to pixels, and a distance by what is seen."""
