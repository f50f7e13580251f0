"""The Chromium that exports need."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from mi import browser
from mi.doctor.context import Context
from mi.doctor.finding import OK, PROBLEM, WARNING, Finding

PATIENCE = 20  # seconds for `--version`


def check(context: Context) -> Iterator[Finding]:
    """Whether there is one, and whether it starts."""
    path = browser.find(context.environ)
    named = context.environ.get("MI_CHROMIUM")
    if path is None and named:
        sentence = f"MI_CHROMIUM is {named}, which cannot be run"
        yield Finding(
            "chromium", "chromium", PROBLEM, sentence, "name one that is there, or unset MI_CHROMIUM"
        )
        return
    if path is None:
        sentence = "no Chromium: reports cannot be exported as images or PDF; everything else works"
        mend = (
            "install one (apt-get install chromium; playwright install chromium), or name it in MI_CHROMIUM"
        )
        yield Finding("chromium", "chromium", WARNING, sentence, mend)
        return
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        said, code = " ".join(done.stdout.split()), done.returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        said, code = str(error), 1
    if code != 0 or not said:
        sentence = f"{path} does not start ({said or f'exit code {code}'})"
        yield Finding(
            "chromium", "chromium", PROBLEM, sentence, "install it again, or name one in MI_CHROMIUM"
        )
    else:
        yield Finding("chromium", "chromium", OK, f"{said} ({path})")
