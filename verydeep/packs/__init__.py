"""A dataset in a few tar files: written, and read as the folder it was."""
