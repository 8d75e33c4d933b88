"""Results as tables and plots: on the terminal, as JSON, and as one HTML page."""
