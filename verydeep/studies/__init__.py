"""The paper's study: plans of runs as data, and what they come to."""
