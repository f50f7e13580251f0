"""Helper modules of these tests and of the analyzers' are found however pytest imports tests."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "analyzers")]
