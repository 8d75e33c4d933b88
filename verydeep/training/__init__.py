"""Training: settings and how they are chosen, the loader, the loop, and the folder of a run."""
