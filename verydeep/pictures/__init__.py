"""Pictures: any file to RGB, and what a network is shown of it."""
