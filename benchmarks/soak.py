"""The long tier: run every test marked ``soak`` and write the table benchmarks/soak.md.

    python benchmarks/soak.py

Ends with pytest's exit code, so that a failure here is a failure of `make soak`.
"""

from __future__ import annotations

import datetime
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "benchmarks" / "soak.md"
PACKAGES = ("mi-core", "torch", "transformer-lens", "zarr", "bokeh")


def run() -> tuple[int, list[tuple[str, str, float]]]:
    """Exit code, and (test, outcome, seconds) of every soak test."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "soak.xml"
        command = [sys.executable, "-m", "pytest", "-m", "soak", "-n", "3", f"--junitxml={result}"]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        cases = ET.parse(result).getroot().iter("testcase") if result.exists() else []
        return code, [(c.get("name", "?"), _outcome(c), float(c.get("time", "0"))) for c in cases]


def _outcome(case: ET.Element) -> str:
    return next((kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None), "passed")


def main() -> int:
    """Run, write the table, and give the exit code."""
    code, rows = run()
    with_versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [
        "# Soak",
        "",
        f"Written by `make soak` on {datetime.date.today().isoformat()}, with {with_versions}.",
        "Seconds are of that one noisy machine; the outcome is the point.",
        "",
        "| test | outcome | seconds |",
        "|---|---|---:|",
        *(f"| {name.replace('_', ' ')} | {outcome} | {seconds:.0f} |" for name, outcome, seconds in rows),
        "",
    ]
    TABLE.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
