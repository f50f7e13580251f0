"""Find the Chromium that renders exports: named, on the path, or Playwright's own."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
# Where Playwright keeps its own, by platform, and how the file is called below `chromium-<number>`.
_CACHES = {"linux": "~/.cache", "darwin": "~/Library/Caches", "win32": "~/AppData/Local"}
_BELOW = (
    "chrome-linux*/chrome",
    "chrome-mac*/*.app/Contents/MacOS/*",
    "chrome-win*/chrome.exe",
)
# Without these, Chromium looks up update and telemetry hosts at every start.
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find(environ: Mapping[str, str] | None = None) -> str | None:
    """Path of a Chromium, or None; one that ``MI_CHROMIUM`` names is the only one that counts."""
    environ = os.environ if environ is None else environ
    named = environ.get("MI_CHROMIUM")
    if named:
        return shutil.which(named, path=environ.get("PATH"))
    for name in NAMES:
        path = shutil.which(name, path=environ.get("PATH"))
        if path:
            return path
    for path in APPLICATIONS:
        if Path(path).exists():
            return path
    return next(_of_playwright(environ), None)


def _of_playwright(environ: Mapping[str, str]) -> Iterator[str]:
    """Playwright's own, the newest first; Playwright itself need not be installed."""
    named = environ.get("PLAYWRIGHT_BROWSERS_PATH", "")
    cache = Path(_CACHES.get(sys.platform, "~/.cache")).expanduser() / "ms-playwright"
    folders = (Path(named) if named not in ("", "0") else cache).glob("chromium-*")
    for folder in sorted(folders, key=lambda f: (len(f.name), f.name), reverse=True):
        for pattern in _BELOW:
            yield from sorted(str(path) for path in folder.glob(pattern) if os.access(path, os.X_OK))


def launch_arguments() -> list[str]:
    """Arguments for a launch; root in a container has no user namespaces for the sandbox."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*ARGUMENTS, "--no-sandbox"] if root else list(ARGUMENTS)
