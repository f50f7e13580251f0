"""Find a Chromium for the browser tests: one that `mi` finds, or one installed through apt or Playwright.

Run as a script it installs one when there is none and prints its path; `make test` does so first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from mi.browser import find, launch_arguments

__all__ = ["find", "install", "launch_arguments"]


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


if __name__ == "__main__":
    found = find() or install()
    if found is None:
        sys.exit(
            "tests: no Chromium found, and neither apt nor Playwright could install one; "
            "install it (apt-get install chromium) or name it in MI_CHROMIUM"
        )
    print(found)
