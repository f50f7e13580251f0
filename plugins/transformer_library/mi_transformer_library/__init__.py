"""Analyses of any transformer whose model has TransformerLens' hooks: a plugin of `mi`."""
