"""Fixtures that several areas share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from chromium import find, launch_arguments
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Before torch is imported: bits depend on the number of threads, and small matrices want one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shared machine may be slow at any moment; the same examples are tried each time.
settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """A shell starts what it runs in the background with SIGINT ignored, and children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests, and the processes that they start, keep nothing in the folders of who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MI_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real headless Chromium for the session."""
    from playwright.sync_api import sync_playwright

    path = find()
    assert path is not None, "no Chromium: run `python tests/chromium.py` or name one in MI_CHROMIUM"
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=launch_arguments())
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page whose console errors and uncaught exceptions fail the test at its end.

    A page that loses its server is one: ``with served(…) as site, closing(page):`` where the test ends it.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: problems.append(str(e)))
    yield page
    context.close()
    assert problems == []
