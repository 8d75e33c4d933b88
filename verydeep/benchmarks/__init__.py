"""The datasets of the field, as the world stores them."""
