"""Tasks: from data to a trained thing, and from that to answers."""
