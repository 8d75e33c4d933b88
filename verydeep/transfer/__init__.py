"""Transfer: a network's features carried to other tasks, and what is learnt from them there."""
