"""Induction heads in two-layer attention-only transformers, for `mi`."""
