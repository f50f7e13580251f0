"""The table of the long tier: rows of what ran now replace those of before, and no other."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def test_a_part_that_runs_again_replaces_its_rows_alone() -> None:
    spec = importlib.util.spec_from_file_location("soak_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    soak = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = soak  # attrs looks its module up
    try:
        spec.loader.exec_module(soak)
        first = soak.table(
            [soak.Case("test_a[x]", "passed", 3, 1.0), soak.Case("test_b", "failure", 1, 2.0)], {}
        )
        second = soak.table([soak.Case("test_b", "passed", 5, 4.0)], soak._rows(first))
    finally:
        del sys.modules[spec.name]
    rows = [line for line in second.splitlines() if line.startswith("| test ")][1:]
    assert [row.split(" | ")[:3] for row in rows] == [
        ["| test a[x]", "passed", "3"],
        ["| test b", "passed", "5"],
    ]
