"""Declarations: plain attrs classes, JSON in and out; importing them imports no torch, numpy or zarr."""
