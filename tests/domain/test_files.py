"""Declarations on disk: read with care, written whole or not at all."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from mi.domain.jsonfile import MAX_BYTES, read_json, write_atomic, write_json
from mi.domain.report import Panel, Report, load_report, save_report
from mi.errors import FormatError, ParameterError, StoreError

KILLED = """
import os, signal, sys
from pathlib import Path
from mi.domain.jsonfile import write_atomic

real = os.{call}
def dies(*arguments, **named):
    if "{when}" == "after":
        real(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)
os.{call} = dies
write_atomic(Path(sys.argv[1]), b"new" * 100_000)
"""


@pytest.mark.parametrize(
    "call, when, expected",
    [("fdopen", "before", b"old"), ("fsync", "before", b"old"), ("replace", "before", b"old"),
     ("replace", "after", b"new" * 100_000)],
)  # fmt: skip
def test_a_kill_leaves_the_old_content_or_the_new(
    tmp_path: Path, call: str, when: str, expected: bytes
) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED.format(call=call, when=when), str(path)], check=False)
    assert done.returncode == -9
    assert path.read_bytes() == expected


# Until standard input is closed.
WRITING = """
import itertools, select, sys
from pathlib import Path
from mi.domain.jsonfile import write_json
for n in itertools.count(1):
    write_json(Path(sys.argv[1]), {"n": n, "pad": "x" * (n * 997 % 50_000)})
    if select.select([sys.stdin], [], [], 0)[0]:
        break
"""


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"n": 0, "pad": ""})
    process = subprocess.Popen([sys.executable, "-c", WRITING, str(path)], stdin=subprocess.PIPE)
    assert process.stdin is not None
    seen = set()
    while len(seen) < 50:  # as many contents as that, while it writes
        assert process.poll() is None
        seen.add(read_json(path)["n"])
    process.stdin.close()
    assert process.wait(60) == 0
    assert read_json(path)["n"] >= max(seen)
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"x\.json: cannot be written"):
        write_atomic(tmp_path / "file" / "x.json", b"1")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(StoreError, match=r"folder\.json: cannot be written"):
        write_atomic(tmp_path / "folder.json", b"1")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.json"]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        read_json(tmp_path / "none.json")
    with pytest.raises(StoreError, match="cannot be read"):
        read_json(tmp_path)
    (tmp_path / "big.json").write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(FormatError, match="expected at most 4 MiB"):
        read_json(tmp_path / "big.json")
    (tmp_path / "bytes.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(FormatError, match="expected valid JSON in UTF-8"):
        read_json(tmp_path / "bytes.json")


def test_a_format_error_survives_a_process_boundary() -> None:
    for error in (
        FormatError("f.json", "a.b", 3, "a string"),
        FormatError("f.json", "a", 3, because="no luck"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert str(again) == str(error)
        assert (again.file, again.field, again.value) == ("f.json", error.field, 3)


REPORT = Report(
    name="mine",
    title="Mine",
    probe="full",
    panels=(
        Panel(visualization="core.losses", width=12),
        Panel(visualization="gone.away", options={"deep": {"list": [1, 2.5, None]}}, title="Kept"),
    ),
    notes="# Why\n\nBecause.",
)


def test_a_report_comes_back_as_it_was_with_visualizations_that_nobody_offers(tmp_path: Path) -> None:
    path = save_report(REPORT, tmp_path)
    assert load_report(path) == REPORT
    first = path.read_bytes()
    save_report(load_report(path), tmp_path)
    assert path.read_bytes() == first
    assert json.loads(first)["panels"][1] == {
        "visualization": "gone.away",
        "width": 6,
        "title": "Kept",
        "options": {"deep": {"list": [1, 2.5, None]}},
    }


@pytest.mark.parametrize("name", ["../x", "X", "", "a..b", "a/b"])
def test_a_report_needs_a_name_that_can_be_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match="report name is"):
        save_report(Report(name=name), tmp_path / "reports")
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"schema": 2}, "schema is 2, expected 1"),
        ({"panels": {}}, "panels is {}, expected a list"),
        ({"panels": [{}]}, "panels[0].visualization is 'missing', expected a visualization's id"),
        (
            {"panels": [{"visualization": "a.b", "width": 0}]},
            "panels[0].width is 0, expected a whole number from 1",
        ),
        ({"panels": [{"visualization": "a.b", "width": True}]}, "panels[0].width is True"),
        ({"panels": [{"visualization": "a.b", "size": 1}]}, "panels[0].size is 1, expected one of"),
        ({"tittle": ""}, "tittle is '', expected the field 'title'"),
    ],
)
def test_a_malformed_report_names_the_field(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({"schema": 1, "panels": [], **change}))
    with pytest.raises(FormatError) as caught:
        load_report(path)
    assert str(caught.value).startswith(f"{path}: {expected}")


def test_files_are_readable_for_others(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {})
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o644
