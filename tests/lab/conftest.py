"""The sample plugin's fixtures."""

from __future__ import annotations

from sample_plugin import mi, root, sample_site, trained, trained_once

__all__ = ["mi", "root", "sample_site", "trained", "trained_once"]
