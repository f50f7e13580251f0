"""Take the pictures of the docs from the real application, over the variants that `make demo` trains.

    python docs/make_images.py

Starts `mi serve` on a free port, opens the default report in headless Chromium and writes docs/images/.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from chromium import find, launch_arguments  # noqa: E402

QUERY = "report?family=modular_addition_1layer&variant=p59_seed999_frac0.5&report=default&epoch=400"


def main() -> None:
    """Write docs/images/report.png."""
    command = [Path(sys.executable).with_name("mi"), "--workspace", ROOT, "serve", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        address = server.stdout.readline().split(" at ")[-1].strip()
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=find(), args=launch_arguments())
            page = browser.new_page(viewport={"width": 1440, "height": 1500})
            page.goto(address + QUERY)
            page.wait_for_function("window.__mi && window.__mi.ready", timeout=60_000)
            page.wait_for_timeout(3000)  # panels draw as they come into sight
            page.screenshot(path=ROOT / "docs/images/report.png")
            browser.close()
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    main()
