"""The user's own folders: what `mi` keeps outside any workspace.

``MI_HOME`` names one folder for both, for machines where the home is shared, read-only or not there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs


def config_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where choices of the user are kept (which local files are trusted)."""
    return _home(environ) or platformdirs.user_config_path("mi", appauthor=False)


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where is kept what can be made again (the records of the last load)."""
    home = _home(environ)
    return home / "cache" if home else platformdirs.user_cache_path("mi", appauthor=False)


def _home(environ: Mapping[str, str] | None) -> Path | None:
    named = (os.environ if environ is None else environ).get("MI_HOME")
    try:
        return Path(named).expanduser() if named else None
    except RuntimeError:  # `~nobody`
        return Path(named or "")
