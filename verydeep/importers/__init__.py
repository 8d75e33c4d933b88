"""Weights of VGG nets in other programs' files, one reader for each family."""
