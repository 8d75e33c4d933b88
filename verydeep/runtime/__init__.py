"""What work runs under: the machine, the ranks beside it, who listens."""
