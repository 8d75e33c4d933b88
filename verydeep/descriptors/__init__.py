"""What rows of a network give, carried to other tasks: descriptors and what is learnt from them."""
