"""The reference is made from the code, and says all of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from docs.documents import DOCS, ROOT

import mi

CORE = Path(mi.__file__).parent


def test_the_reference_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "make_reference.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stale_page_is_named(tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "repo"
    shutil.copytree(ROOT / "core", copy / "core", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(DOCS, copy / "docs")
    page = copy / "docs" / "reference" / "hooks.md"
    page.write_text(page.read_text().replace("family: Family", "famille"))
    done = subprocess.run(
        [sys.executable, copy / "docs" / "make_reference.py", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "docs/reference/hooks.md is stale; run `python docs/make_reference.py`"
    ]


def test_every_public_name_is_in_the_reference() -> None:
    text = "\n".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    missing = [
        name
        for name in mi.__all__
        if name not in ("__version__", "hookimpl") and not re.search(rf"^## {name}$", text, re.M)
    ]
    assert missing == []


def test_every_environment_variable_is_documented() -> None:
    table = (DOCS / "reference" / "environment.md").read_text()
    used = set()
    for path in CORE.rglob("*.py"):
        used |= set(re.findall(r"\bMI_[A-Z_]*[A-Z]\b", path.read_text())) - {"MI_API"}
    listed = set(re.findall(r"^\| `(MI_[A-Z_]+)`", table, re.M))
    assert used == listed


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("plugins/*/README.md")]
    pages += [*ROOT.glob("examples/*/README.md")]
    assert len(pages) > 10
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_links_into_a_page_meet_a_heading() -> None:
    broken, seen = [], 0
    for page in [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("plugins/*/README.md")]:
        for target, heading in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text()):
            if "://" in target:
                continue
            seen += 1
            there = re.findall(r"^#+ (.+)$", (page.parent / target if target else page).read_text(), re.M)
            slugs = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in there}
            broken += [f"{page.relative_to(ROOT)}: {target}#{heading}"] if heading not in slugs else []
    assert seen > 2
    assert broken == []


def test_lines_of_prose_are_at_most_120_wide() -> None:
    pages = [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("plugins/*/README.md")]
    pages += [*ROOT.glob("examples/*/README.md")]
    wide = []
    for page in pages:
        if page.parent.name == "reference":
            continue  # made from docstrings
        prose = re.sub(
            r"^```.*?^```$", lambda m: "\n" * m[0].count("\n"), page.read_text(), flags=re.M | re.S
        )
        wide += [
            f"{page.relative_to(ROOT)}:{number}"
            for number, line in enumerate(prose.split("\n"), 1)
            if len(line) > 120 and not line.startswith("|")
        ]
    assert wide == []
