"""The paper's findings tested again: differences over pictures and seeds, verdicts on claims."""
