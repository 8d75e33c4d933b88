"""Go: its rules, ladders, the planes that AlphaGo's policy network sees, and games as data."""
