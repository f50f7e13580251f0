"""Linear maps learnt from noisy batches."""
