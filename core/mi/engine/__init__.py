"""Plan, capture, analyze, write: one forward pass a checkpoint."""
