"""Other programs' files as plain values, read within limits; nothing here knows networks."""
