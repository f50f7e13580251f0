"""Local plugins and `mi trust`: a file of the workspace runs once its user has looked at it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sample_plugin import FAMILY, Ran, mi, refusal, root, run, sample_site, trained, trained_once

import mi as package
from mi.errors import PluginWarning
from mi.plugins import load_host
from mi.plugins.local import local_files

__all__ = ["mi", "root", "sample_site", "trained", "trained_once"]

MARK = """import pathlib
pathlib.Path(__file__).with_suffix(".ran").touch()
MI_API = "0.1"
"""
SECOND = """from mi import Analyzer, ArtifactNeed, Derived, Output, hookimpl

MI_API = "0.1"
half = Derived(id="second.half", version=1, function=lambda data: data.epoch / 2)


def double(data):
    return {"value": 2 * data.derived("second.half") + 0}


@hookimpl
def analyze(family):
    return [
        Analyzer(id="second.double", version=1, title="D", function=double, outputs={"value": Output(())},
                 derived=(half,)),
        Analyzer(id="second.after", version=1, title="A", outputs={"value": Output(())},
                 function=lambda data: {"value": data.artifacts["second.double"]["value"]},
                 artifacts=(ArtifactNeed("second.double"),)),
    ]
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folder of one's own; no choice among plugins but the sample's and those of the test."""
    monkeypatch.setenv("MI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MI_TRUST", raising=False)
    yield tmp_path / "home"
    for name in [n for n in sys.modules if n.startswith("mi_local_")]:
        del sys.modules[name]


Write = Callable[..., Path]


@pytest.fixture
def write(root: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write `local_plugins/NAME.py`."""
    (root / "local_plugins").mkdir(exist_ok=True)

    def make(name: str, content: str | bytes = MARK) -> Path:
        monkeypatch.setenv("MI_LOAD_PLUGINS", os.environ["MI_LOAD_PLUGINS"] + f",{name}")
        path = root / "local_plugins" / f"{name}.py"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def ran(path: Path) -> bool:
    return path.with_suffix(".ran").exists()


UNTRUSTED = "mi: local plugin one ({path}): not run, for {why}; look at it, then `mi trust one`"


@pytest.mark.parametrize("command", [["families"], ["variants"], ["probes", FAMILY], ["report", "ls"]])
def test_an_untrusted_file_is_said_by_every_command_and_not_run(mi, write: Write, command: list[str]) -> None:
    path = write("one")
    done = mi(*command)
    assert done.code == 0
    assert done.err.splitlines() == [UNTRUSTED.format(path=path, why="it was never trusted")]
    assert not ran(path)


def test_a_notebook_warns(root: Path, write: Write) -> None:
    path = write("one")
    with pytest.warns(PluginWarning, match="local plugin one .*it was never trusted"):
        package.open(root)
    assert not ran(path)


def test_trust_shows_the_file_keeps_its_digest_and_asks_again_when_it_changes(mi, write: Write) -> None:
    path = write("one")
    done = mi("trust", "--yes")
    assert (done.code, done.err) == (0, "")
    assert f"{path}: {len(MARK)} bytes, 3 lines, SHA-256 " in done.out
    assert '   3  MI_API = "0.1"' in done.out
    assert not ran(path)  # looking runs nothing
    assert (mi("families").err, ran(path)) == ("", True)
    assert mi("trust", "one").out == "one is trusted already\n"
    assert mi("trust").out == "nothing to ask: 1 local plugin, all trusted\n"

    path.with_suffix(".ran").unlink()
    write("one", MARK.replace("import pathlib", "import pathlib, shutil"))
    why = "it has changed since it was trusted"
    assert mi("families").err.splitlines() == [UNTRUSTED.format(path=path, why=why)]
    assert not ran(path)
    shown = mi("trust", "--yes").out.splitlines()
    assert "Since it was trusted it has changed:" in shown
    assert "-import pathlib" in shown
    assert "+import pathlib, shutil" in shown
    assert ' MI_API = "0.1"' in shown
    assert mi("families").err == ""


def test_without_a_terminal_it_needs_a_word(mi, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("one")
    assert "there is no terminal to ask on" in refusal(mi("trust", "one"))
    assert "not run" in mi("families").err
    monkeypatch.setenv("MI_TRUST", "1")
    assert (mi("families").err, ran(path)) == ("", True)
    assert mi("trust", "one").code == 0
    monkeypatch.delenv("MI_TRUST")
    assert mi("families").err == ""


@pytest.mark.parametrize(("answer", "may"), [("y", True), ("n", False), ("", False)])
def test_on_a_terminal_it_asks(root: Path, write: Write, answer: str, may: bool) -> None:
    path = write("one")
    command = [sys.executable, "-c", "from mi.cli import main; main()", "-w", str(root), "trust", "one"]
    main, other = pty.openpty()
    with subprocess.Popen(command, stdin=other, stdout=subprocess.PIPE, text=True) as asked:
        os.write(main, f"{answer}\n".encode())
        out, _ = asked.communicate(timeout=60)
    os.close(main)
    os.close(other)
    assert asked.returncode == 0
    assert "Let one run? [y/N]" in out
    assert f"one {'may run until it changes' if may else 'will not run'}" in out
    run("-w", str(root), "families")
    assert ran(path) is may


def test_what_would_fool_a_reader_is_spelt_out(mi, write: Write) -> None:
    write("one", "x = 'a'  # \x1b[2J\u202egnidih \ttab\n")
    shown = mi("trust", "--yes").out
    assert r"   1  x = 'a'  # \x1b[2J\u202egnidih " in shown
    assert "\x1b" not in shown


def test_the_list_and_taking_back(mi, write: Write, root: Path) -> None:
    one, two, three = write("one"), write("two"), write("three", "def broken(:")
    assert "it is not Python (invalid syntax, line 1); mend it first" in refusal(
        mi("trust", "three", "--yes")
    )
    assert mi("trust", "one", "two", "--yes").code == 0
    two.write_text(MARK + "\n")
    states = {row["id"]: (row["state"], row["path"]) for row in json.loads(mi("trust", "--json").out)}
    assert states == {
        "one": ("trusted", str(one)), "two": ("changed", str(two)), "three": ("broken", str(three)),
    }  # fmt: skip
    one.rename(root / "moved.py")
    rows = json.loads(
        run("trust", "--list", "--json").out
    )  # outside the workspace: what was trusted anywhere
    assert [(row["id"], row["state"]) for row in rows] == [("one", "gone"), ("two", "changed")]
    assert mi("trust", "--remove", str(one), "two").code == 0
    assert [row["state"] for row in json.loads(mi("trust", "--json").out)] == ["broken", "untrusted"]
    assert "unknown trusted plugin 'two'" in refusal(mi("trust", "--remove", "two"))
    assert "name what to trust no longer" in refusal(mi("trust", "--remove"))
    assert "unknown local plugin 'four'" in refusal(mi("trust", "four"))
    assert "never trusted" in mi("families").err


def test_a_moved_or_copied_workspace_is_asked_about_again(root: Path, mi, write: Write) -> None:
    write("one")
    assert mi("trust", "--yes").code == 0
    root.rename(root.parent / "moved")
    assert "it was never trusted" in run("-w", str(root.parent / "moved"), "families").err


def test_damaged_trust_trusts_nothing_and_is_not_overwritten(mi, write: Write, home: Path) -> None:
    path = write("one")
    home.mkdir(exist_ok=True)
    kept = home / "trusted.json"
    kept.write_text('{"schema": 1, "files": 7}')
    assert "trusted.json: files is 7, expected" in mi("families").err
    assert "mend or delete the file" in refusal_at_end(mi("trust", "--yes"))
    assert kept.read_text() == '{"schema": 1, "files": 7}'
    assert not ran(path)


def refusal_at_end(done: Ran) -> str:
    assert done.code == 2
    return done.err.splitlines()[-1]


def test_odd_files_are_said_and_brick_nothing(
    mi, write: Write, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write("whole").parent
    outside = root / "elsewhere.py"
    outside.write_text(MARK)
    (folder / "link.py").symlink_to(outside)
    (folder / "link2.py").symlink_to(outside)
    (folder / "dangling.py").symlink_to(root / "nowhere.py")
    (folder / "folder.py").mkdir()
    os.mkfifo(folder / "pipe.py")
    (folder / "_helper.py").write_text("raise AssertionError")
    for name, content in {
        "latin": b"# caf\xe9\n",
        "other": b"# coding: utf-7\n",
        "null": b"x = '\0'\n",
        "deep": b"(" * 5000,
        "big": b"#" * (2**20 + 1),
        "sample": MARK.encode(),
        "core": MARK.encode(),
        "has-dash": MARK.encode(),
        "old": b'MI_API: str = "7"\n',
        "strange": b"MI_API = print\n",
    }.items():
        (folder / f"{name}.py").write_bytes(content)
    monkeypatch.delenv("MI_LOAD_PLUGINS")
    monkeypatch.setenv(
        "MI_DISABLE_PLUGINS",
        "modular_arithmetic,fourier_library,geometry_library,transformer_library,induction",
    )
    monkeypatch.setenv("MI_TRUST", "1")
    done = mi("families")
    assert done.code == 0
    assert FAMILY in done.out
    said = {line.split(" ")[2]: line for line in done.err.splitlines()}
    expected = {
        "dangling": "it cannot be read (No such file or directory)",
        "folder": "it is not a file",
        "pipe": "it is not a file",
        "latin": "it is not Python (",
        "other": "its coding is 'utf-7', expected UTF-8",
        "null": "it is not Python (source code string cannot contain null bytes)",
        "deep": "it is not Python (",
        "big": "it has 1,048,577 bytes, expected at most 1,048,576",
        "sample": "the plugin name 'sample' is claimed by mi-sample; rename the file",
        "core": "the plugin name 'core' is reserved",
        "has-dash": "the plugin name 'has-dash' is reserved or not a lower-case identifier",
        "old": 'it states MI_API "7", this is',
        "strange": "MI_API is 'print', expected a version such as '0.1'",
    }
    assert said.keys() == expected.keys(), done.err
    assert len(done.err.splitlines()) == len(expected)
    for name, sentence in expected.items():
        assert sentence in said[name], said[name]
    assert ran(folder / "link.py") and ran(folder / "link2.py") and ran(folder / "whole.py")
    assert not ran(folder / "sample.py")


def test_a_folder_that_is_none_is_said(mi, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / "local_plugins"
    if folder.exists():
        folder.rmdir()
    folder.write_text("not a folder")
    monkeypatch.setenv("MI_LOAD_PLUGINS", "sample,local_plugins")
    done = mi("families")
    assert done.code == 0
    assert "local_plugins) failed in discover: it cannot be read (Not a directory)" in done.err


def test_failures_name_file_and_line_and_show_the_lines_that_ran(mi, write: Write, root: Path) -> None:
    path = write(
        "one", "from mi import hookimpl\n\n@hookimpl\ndef analyze(family):\n    return 1 / 0  # as run\n"
    )
    assert mi("trust", "--yes").code == 0
    host = load_host(root)
    path.write_text("# edited meanwhile\n")
    from mi.domain.family import Family

    host.analyzers(Family(name="f", code="x.y", parameters={}, pattern="f"))
    (failure,) = host.record_of("one.x").failures
    assert failure.error == "ZeroDivisionError: division by zero (one.py, line 5)"
    assert f'File "{path}", line 5, in analyze\n    return 1 / 0  # as run' in failure.details


def test_each_workspace_has_modules_of_its_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "local_plugins").mkdir(parents=True)
        (tmp_path / name / "local_plugins" / "one.py").write_text(f"FROM = {name!r}\nSELF = __name__\n")
    modules = [local_files(tmp_path / name)[0].load() for name in ("a", "b")]
    assert [module.FROM for module in modules] == ["a", "b"]
    assert [sys.modules[module.SELF] for module in modules] == modules
    assert "annotations" not in vars(modules[0])  # nor our own future statements


@pytest.mark.parametrize(
    ("old", "new"),
    [("2 * data", "3 * data"), ("data.epoch / 2", "data.epoch / 4"), ("half = ", "# a comment\nhalf = ")],
)
def test_an_edit_makes_the_artifacts_of_a_local_analyzer_stale(
    trained: Path, old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MI_LOAD_PLUGINS", "sample,second")
    monkeypatch.setenv("MI_TRUST", "1")
    file = trained / "local_plugins" / "second.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(SECOND)

    def analyze(*ids: str) -> tuple[str, list[float]]:
        done = run("-w", str(trained), "analyze", "n7_seed0", "--analyzers", ",".join(ids))
        assert done.code == 0, done.err
        data = package.open(trained).variant("n7_seed0").artifacts("second.after")
        return done.out, data["value"].values.tolist()

    _, values = analyze("second.after")
    assert values == [0, 10, 20, 30, 40]
    assert "everything fresh (10 results)" in analyze("second.after")[0]
    file.write_text(SECOND.replace(old, new))
    out, values = analyze("second.after", "sample.answers")
    scale = {"3 * data": 1.5, "data.epoch / 4": 0.5}.get(new, 1)
    assert values == [scale * epoch for epoch in (0, 10, 20, 30, 40)]
    assert "0 forward passes, 10 results computed, 5 fresh" in out  # a package's own analyzer stays fresh


def test_an_untrusted_analyzer_is_named_where_it_is_asked_for(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MI_LOAD_PLUGINS", "sample,second")
    (trained / "local_plugins").mkdir(exist_ok=True)
    (trained / "local_plugins" / "second.py").write_text(SECOND)
    done = run("-w", str(trained), "analyze", "n7_seed0", "--analyzers", "second.double")
    assert done.code == 2
    assert "so there is no analyzer of family sample_sums 'second.double'" in done.err.splitlines()[-1]
    assert "is untrusted: not run, for it was never trusted; look at it, then `mi trust second`" in done.err
