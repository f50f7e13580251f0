"""Find a Chromium for the browser tests: on the system, through apt where it may, or Playwright's own.

Run as a script it installs one when there is none and prints its path; `make test` does so first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Without these, Chromium looks up update and telemetry hosts at every start.
ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find() -> str | None:
    """Path of a Chromium, or None."""
    named = os.environ.get("MI_CHROMIUM")
    if named:
        return named if Path(named).exists() else None
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        own = driver.chromium.executable_path
    return own if Path(own).exists() else None


def install() -> str | None:
    """Install one through apt (as root) or Playwright, and give its path."""
    attempts = []
    if shutil.which("apt-get") and os.geteuid() == 0:
        attempts.append("apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium")
    attempts.append(f"{sys.executable} -m playwright install chromium")
    for command in attempts:
        subprocess.run(command, shell=True, check=False, stdout=sys.stderr)
        path = find()
        if path:
            return path
    return None


def launch_arguments() -> list[str]:
    """Arguments for a launch; root in a container has no user namespaces for the sandbox."""
    return [*ARGUMENTS, "--no-sandbox"] if os.geteuid() == 0 else list(ARGUMENTS)


if __name__ == "__main__":
    found = find() or install()
    if found is None:
        sys.exit(
            "tests: no Chromium found, and neither apt nor Playwright could install one; "
            "install it (apt-get install chromium) or name it in MI_CHROMIUM"
        )
    print(found)
