"""docs/plugins/testing.md: its list of checks is fresh, and its tests pass on the how-to pages' plugin."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from docs.documents import DOCS, blocks, write_files

HOW_TO = [DOCS / "plugins" / f"{name}.md" for name in ("family", "probe", "analyzer", "visualization")]
PAGE = DOCS / "plugins" / "testing.md"


def test_the_list_of_checks_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "make_checks.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stale_list_is_named(tmp_path: Path) -> None:
    shutil.copy(DOCS / "make_checks.py", tmp_path)
    (tmp_path / "plugins").mkdir()
    text = PAGE.read_text()
    assert "| `test_plugin_is_light` |" in text
    (tmp_path / "plugins" / "testing.md").write_text(text.replace("`test_plugin_is_light`", "`test_light`"))
    done = subprocess.run(
        [sys.executable, tmp_path / "make_checks.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == "docs/plugins/testing.md is stale; run `python docs/make_checks.py`\n"


def test_the_tests_of_the_page_pass_on_the_plugin_of_the_pages(tmp_path: Path) -> None:
    assert [b.kind for b in blocks(PAGE) if not b.path] == ["bash"]
    site = tmp_path / "site"
    write_files([*HOW_TO, PAGE], site)
    info = site / "mi_compare-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mi-compare\nVersion: 0.1.0\nRequires-Dist: mi-core>=0.1,<1\n"
    )
    (info / "entry_points.txt").write_text("[mi.plugins]\ncompare = mi_compare.plugin\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "tests"],
        capture_output=True, text=True, cwd=site, check=False, timeout=280,
        env={**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 80
