"""The workspace with the gallery, and a variant of it."""

from __future__ import annotations

from views.workshop import variant, workspace

__all__ = ["variant", "workspace"]
