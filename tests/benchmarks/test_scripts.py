"""Each benchmark of the engine runs at its smallest setting, and writes a section that can be read."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib import import_module
from pathlib import Path

import pytest

from mi.testing.workspace import one_thread

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {  # sections, words
    "engine": (["engine"], ["--prime", "5", "--checkpoints", "2"]),
    "analyzers": (["analyzers"], ["--prime", "5", "--checkpoints", "2"]),
    "reading": (["store", "reading"], ["--prime", "5", "--checkpoints", "2", "--looks", "1"]),
    "growth": (["growth"], ["--axes", "rows_streamed"]),
    "keeping": (["keeping"], ["--prime", "5", "--checkpoints", "2"]),
    "grid": (["grid"], ["--prime", "5", "--seeds", "2", "--epochs", "4"]),
    "stacking": (["stacking"], ["--prime", "5", "--checkpoints", "3", "--stacked", "2"]),
}
SECONDS = re.compile(r"([\d.]+) (s|ms|µs)(?: \(.*\))?")

Table = list[list[str]]  # rows of cells, the head first


@pytest.fixture
def text(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """README.md after the script; it held a section of the same name and something else before."""
    names, words = SCRIPTS[script]
    readme = tmp_path / "README.md"
    readme.write_text(f"# Kept\n\n<!-- {names[0]} -->\n\nold\n\n<!-- /{names[0]} -->\n\nkept too\n")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    with one_thread():
        import_module(script).main(["--rounds", "1", "--threads", "1", "--readme", str(readme), *words])
    return readme.read_text(encoding="utf-8")


def tables(section: str) -> list[Table]:
    found = re.findall(r"(?:^\|.*\|$\n?)+", section, re.MULTILINE)
    rows = [[[c.strip() for c in line.strip("| ").split(" | ")] for line in t.splitlines()] for t in found]
    return [[row for i, row in enumerate(one) if i != 1] for one in rows]


def seconds(table: Table) -> list[float]:
    cells = [SECONDS.fullmatch(cell) for row in table[1:] for cell in row[1:]]
    return [float(m[1]) * {"s": 1, "ms": 1e-3, "µs": 1e-6}[m[2]] for m in cells if m]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_benchmark_writes_its_sections_alone(script: str, text: str, tmp_path: Path) -> None:
    assert text.startswith("# Kept\n") and "kept too" in text and "\nold\n" not in text
    assert " cores (" in text and str(tmp_path) not in text and str(ROOT) not in text
    for name in SCRIPTS[script][0]:
        section = text.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]
        found = tables(section)
        assert found and all(len(row) == len(one[0]) for one in found for row in one)
        assert name == "store" or (all(s >= 0 for one in found for s in seconds(one)) and seconds(found[0]))
    if script == "analyzers":  # one pass a checkpoint, and in the naive way one an analyzer
        passes = {
            row[0]: [int(n) for n in re.findall(r"\((\d+)", " ".join(row[1:4]))] for row in found[0][1:]
        }
        assert passes["12, light"] == [24, 2, 2] and passes["1, light"] == [2, 2, 2]
        assert ET.parse(tmp_path / "analyzers.svg").getroot().tag.endswith("svg")
    if script == "grid":  # on one thread, a process a core gives the bits of one after the other
        same = {row[0]: row[-1] for row in found[0][1:]}
        assert same["one after the other, one thread"] == same["`mi train --grid`, a process a core"] == "yes"
    if script == "stacking":
        assert [row[0] for row in found[0][1:]] == ["8", "16"]
    if script == "engine":
        assert [row[1] for row in found[0][1:]] == ["2", "2", "0", "0", "0"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_benchmark_tells_its_settings(script: str) -> None:
    command = [sys.executable, ROOT / "benchmarks" / f"{script}.py", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--full" in done.stdout and re.search(r"rounds [35]", " ".join(done.stdout.split()))
