"""Helper modules beside the tests are found however pytest is told to import tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
