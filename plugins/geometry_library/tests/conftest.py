"""What all tests share: where helpers are found, how hypothesis runs, the kinds of array."""

import sys
from pathlib import Path

import pytest
from hypothesis import settings

# The helper modules beside the tests are found however pytest is told to import tests.
sys.path.insert(0, str(Path(__file__).parent))

from geometry_kinds import NAMES, Kind, kind_named

# A shared machine may be slow at any moment; the same examples are tried each time.
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")


@pytest.fixture(params=NAMES)
def kind(request: pytest.FixtureRequest) -> Kind:
    return kind_named(request.param)
