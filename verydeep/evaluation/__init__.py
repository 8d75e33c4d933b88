"""Testing: what a network is shown, the posteriors it gives, and what they are worth."""
