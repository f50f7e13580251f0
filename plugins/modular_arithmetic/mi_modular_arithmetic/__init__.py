"""Models that learn arithmetic over Z_p: families, training, analyzers and visualizations for `mi`."""
