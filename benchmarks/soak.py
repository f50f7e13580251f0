"""The long tier: run every test marked ``soak`` and write the table benchmarks/soak.md.

    python benchmarks/soak.py                    # all, on two quiet cores about a quarter of an hour
    python benchmarks/soak.py --only killed      # those whose name fits pytest's -k; the other rows stay

Ends with pytest's exit code, so that a failure here is a failure of `make soak`.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "benchmarks" / "soak.md"
KILLS = """\
A kill is `kill -9` of a real process: at random instants one after the other, each run killed before it is
done; and before and after every single change that a reader could notice. After each, what is visible is
compared to an undisturbed run, to the bit; and so is what there is once it has run again."""
PACKAGES = ("mi-core", "torch", "transformer-lens", "zarr", "bokeh")


@frozen
class Case:
    """A soak test: its name, how it came out, how often it did what it is named for, and its seconds."""

    name: str
    outcome: str
    times: int
    seconds: float


def run(only: str) -> tuple[int, list[Case]]:
    """Exit code, and every soak test."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "soak.xml"
        chosen = ["-m", "soak", "-k", only, "-n", "3", f"--junitxml={result}"]
        command = [sys.executable, "-m", "pytest", *chosen]
        code = subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
        cases = ET.parse(result).getroot().iter("testcase") if result.exists() else []
        return code.returncode, [
            Case(c.get("name", "?"), _outcome(c), _times(c), float(c.get("time", "0"))) for c in cases
        ]


def _times(case: ET.Element) -> int:
    told = (one.get("value", "0") for one in case.iter("property") if one.get("name") == "times")
    return int(next(told, "1"))


def _outcome(case: ET.Element) -> str:
    return next((kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None), "passed")


def table(cases: Sequence[Case], others: Mapping[str, str]) -> str:
    """The page: a row a test, of its last run, those that ran now last.

    Args:
        cases: that ran now.
        others: name -> row of tests that ran before, and may have run again now.
    """
    today = datetime.date.today().isoformat()
    rows = {c.name.replace("_", " "): c for c in cases}
    kept = [row for name, row in others.items() if name not in rows]
    made = [f"| {n} | {c.outcome} | {c.times} | {c.seconds:.0f} | {today} |" for n, c in rows.items()]
    with_versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return "\n".join(
        [
            "# Soak",
            "",
            f"Written by `make soak`, last on {today}, with {with_versions}.",
            "Each row is of the test's last run; seconds are of one noisy machine, the outcome is the point.",
            "",
            KILLS,
            "",
            "| test | outcome | times | seconds | on |",
            "|---|---|---:|---:|---|",
            *kept,
            *made,
            "",
        ]
    )


def _rows(page: str) -> dict[str, str]:
    """Test -> its row, of a page that was written before."""
    found = [line for line in page.splitlines() if line.startswith("| test ") and line.count("|") == 6]
    return {line.split(" | ")[0].removeprefix("| "): line for line in found[1:]}


def main() -> int:
    """Run, write the table, and give the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="", metavar="EXPRESSION", help="as pytest's -k; the other rows stay"
    )
    only = parser.parse_args().only
    start = time.monotonic()
    code, cases = run(only)
    minutes = (time.monotonic() - start) / 60
    text = table(cases, _rows(TABLE.read_text(encoding="utf-8")) if only and TABLE.exists() else {})
    TABLE.write_text(text, encoding="utf-8")
    print(f"{text}\n{minutes:.0f} minutes")
    return code


if __name__ == "__main__":
    sys.exit(main())
