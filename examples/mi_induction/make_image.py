"""Take the README's picture from the real application.

    python make_image.py WORKSPACE

Serves WORKSPACE, in which the variant `seed0` is trained and analyzed (see the README), opens its default
report in headless Chromium and writes report.png. MI_CHROMIUM names the browser; playwright's own by default.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

QUERY = "report?family=induction_attention_only&variant=seed0&report=default&epoch=600"


def main(workspace: str) -> None:
    """Write report.png beside this file."""
    command = [Path(sys.executable).with_name("mi"), "--workspace", workspace, "serve", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        address = server.stdout.readline().split(" at ")[-1].strip()
        with sync_playwright() as driver:
            # Chromium refuses its own sandbox to root, as in a container.
            flags = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = driver.chromium.launch(executable_path=os.environ.get("MI_CHROMIUM"), args=flags)
            page = browser.new_page(viewport={"width": 1440, "height": 1900})
            page.goto(address + QUERY)
            page.wait_for_function("window.__mi && window.__mi.ready", timeout=60_000)
            page.wait_for_timeout(4000)  # panels draw as they come into sight
            page.screenshot(path=Path(__file__).with_name("report.png"))
            browser.close()
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    main(*sys.argv[1:])
