"""Whether two pictures are of the same: pairs, distances of their descriptors, and what is told."""
