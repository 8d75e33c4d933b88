"""Our networks written as other programs want them, one writer for each."""
