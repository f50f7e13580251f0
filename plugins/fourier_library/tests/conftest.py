"""What all tests share: where helpers are found, the kinds of array."""

import sys
from pathlib import Path

import pytest

# The helper modules beside the tests are found however pytest is told to import tests.
sys.path.insert(0, str(Path(__file__).parent))

from fourier_kinds import NAMES, Kind, kind_named


@pytest.fixture(params=NAMES)
def kind(request: pytest.FixtureRequest) -> Kind:
    return kind_named(request.param)
