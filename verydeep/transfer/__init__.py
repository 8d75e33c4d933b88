"""What a network's rows give, carried to other tasks: descriptors, classifiers, neighbours."""
