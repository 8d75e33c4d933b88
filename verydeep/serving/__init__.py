"""A network served over HTTP: a page to drop pictures on, and an interface for programs."""
