"""What a network sees: maps of a picture, what its units like, and whether maps are to be believed."""
