"""Artifacts (zarr), checkpoints (safetensors), commits and fingerprints."""
