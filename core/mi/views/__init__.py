"""Frames, figures, panels and the cursor."""
