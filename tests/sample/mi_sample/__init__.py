"""A small family, two analyzers and a visualization, for the core's own tests."""
