"""One warm server for all tests of a worker; plain imports of the modules beside this file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from warm import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """See ``server.py``."""
    one = Server()
    yield one
    one.close()
