"""One warm server for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sample_plugin import sample_site, trained, trained_once
from unbroken.warm import Server

__all__ = ["sample_site", "trained", "trained_once"]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """See ``server.py``."""
    one = Server()
    yield one
    one.close()
