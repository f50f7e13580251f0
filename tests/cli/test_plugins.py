"""`mi plugins`: what is installed and what went wrong, instantly, and also when everything is broken."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from sample_plugin import FAMILY, Mi, Ran, refusal, run

Install = Callable[..., Path]
HOOK = "import mi, os, sys, time\n@mi.hookimpl\ndef analyze(family):\n    "


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing was loaded before, by no other test."""
    monkeypatch.setenv("MI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def install(tmp_path: Path, sample_site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """``install(name, source, …)``: a distribution with one plugin; only those installed here are loaded."""
    site = tmp_path / "more"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("MI_LOAD_PLUGINS", "")

    def make(name: str, source: str, *, version: str = "2.5", entries: str = "", load: bool = True) -> Path:
        info = site / f"mi_{name}-2.5.dist-info"
        info.mkdir(exist_ok=True)
        (site / f"mi_test_{name}.py").write_text(source)
        metadata = (
            f"Metadata-Version: 2.1\nName: mi-{name}\nVersion: {version}\nRequires-Dist: mi-core>=0.1,<1\n"
        )
        (info / "METADATA").write_text(metadata)
        (info / "entry_points.txt").write_text(entries or f"[mi.plugins]\n{name} = mi_test_{name}\n")
        if load:
            import os

            monkeypatch.setenv("MI_LOAD_PLUGINS", f"{os.environ['MI_LOAD_PLUGINS']},{name}".strip(","))
        return site

    yield make
    for module in [m for m in sys.modules if m.startswith("mi_test_")]:
        del sys.modules[module]


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The present folder is no workspace: checks ask about no family, and stay light."""
    monkeypatch.chdir(tmp_path)


def by_name(ran: Ran) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(ran.out)}


def rows(*arguments: str) -> dict[str, dict[str, Any]]:
    return by_name(run("plugins", *arguments, "--json"))


def test_a_list_reads_metadata_and_imports_nothing(install: Install, outside: None) -> None:
    install("bomb", "import os; os._exit(9)")
    listed = rows()["bomb"]
    assert listed["state"] == "ready"
    assert (listed["distribution"], listed["version"]) == ("mi-bomb", "2.5")
    assert (listed["value"], listed["api"]) == ("mi_test_bomb", ">=0.1,<1")
    assert listed["age_seconds"] is None
    text = run("plugins").out
    assert re.search(r"^bomb +not loaded yet$", text, re.MULTILINE)
    assert "  requires        mi-core>=0.1,<1\n" in text


def test_what_the_last_load_recorded_is_listed_with_its_age(mi: Mi, home: Path) -> None:
    assert mi("families", "validate", FAMILY).code == 0
    listed = by_name(mi("plugins", "--json"))["sample"]
    assert listed["hooks"] == ["analyze", "register_family", "visualize"]
    assert listed["families"] == [FAMILY]
    assert listed["family_codes"] == ["sample.sums"]
    assert listed["analyzers"] == ["sample.answers", "sample.curve"]
    assert listed["visualizations"] == ["sample.right"]
    assert 0 <= listed["age_seconds"] < 60
    assert listed["milliseconds"] >= 0
    kept = next((home / "cache").glob("plugins-*.json"))
    data = json.loads(kept.read_text())
    data["plugins"]["sample"]["time"] -= 3 * 60
    kept.write_text(json.dumps(data))
    text = mi("plugins").out
    assert re.search(r"^sample +loaded 3 min ago, import [\d.]+ ms$", text, re.MULTILINE)
    assert "  analyzers       answers, curve\n" in text


def test_another_version_is_not_loaded_yet(install: Install, outside: None) -> None:
    install("plain", HOOK + "return []")
    assert run("plugins", "plain").code == 0
    assert rows()["plain"]["state"] == "loaded"
    install("plain", HOOK + "return []", version="2.6", load=False)
    listed = rows()["plain"]
    assert (listed["state"], listed["version"], listed["hooks"]) == ("ready", "2.6", [])


HOSTILE = {
    "exits": ("import os; os._exit(3)", "ended the process with code 3 while importing"),
    "exits_well": ("import os; os._exit(0)", "ended the process with code 0 while importing"),
    "crashes": (
        "import ctypes; ctypes.string_at(0)",
        "was ended by signal 11 (SIGSEGV) while importing",
    ),
    "hangs": ("while True: pass", "did not come back within 3 s while importing"),
    "floods": (
        "import os\nwhile True: os.write(1, b'x' * 1000000)",
        "printed more than 20 MB while importing",
    ),
}


def test_a_check_outlives_whatever_a_plugin_does_to_its_process(install: Install, outside: None) -> None:
    for name, (source, _) in HOSTILE.items():
        install(name, source)
    install("good", HOOK + "return []")
    ran = run("plugins", "--check", "--json", "--timeout", "3")
    assert ran.code == 2
    assert ran.err == f"mi: 5 of 7 plugins failed: {', '.join(sorted(HOSTILE))}\n"
    found = by_name(ran)
    for name, (_, sentence) in HOSTILE.items():
        assert found[name]["state"] == "failed"
        assert [(f["hook"], f["error"]) for f in found[name]["failures"]] == [("process", sentence)], name
    assert (found["good"]["state"], found["good"]["hooks"]) == ("loaded", ["analyze"])
    assert "Segmentation fault" in found["crashes"]["failures"][0]["details"]
    assert "mi_test_crashes.py" in found["crashes"]["failures"][0]["details"]
    assert "mi_test_hangs.py" in found["hangs"]["failures"][0]["details"]
    assert {name: row["state"] for name, row in rows().items() if name in HOSTILE} == dict.fromkeys(
        HOSTILE, "failed"
    )


def test_a_check_asks_every_hook_for_every_family(root: Path, install: Install) -> None:
    install("named", HOOK + "raise RuntimeError(f'no luck with {family.name}')")
    install("quits", HOOK + "os._exit(4)")
    ran = run("-w", str(root), "plugins", "--check", "--json")
    assert ran.code == 2
    found = by_name(ran)
    assert found["named"]["failures"][0]["error"] == f"RuntimeError: no luck with {FAMILY}"
    assert found["named"]["state"] == "loaded"
    assert found["quits"]["failures"][0]["error"] == (
        f"ended the process with code 4 while answering analyze for family {FAMILY}"
    )
    assert found["quits"]["hooks"] == ["analyze"]


def test_a_library_is_asked_about_the_families_that_others_ship(
    install: Install, outside: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("named", HOOK + "raise RuntimeError(f'no luck with {family.name}')")
    monkeypatch.setenv("MI_LOAD_PLUGINS", "named,sample")
    found = rows("--check")
    assert found["named"]["failures"][0]["error"] == f"RuntimeError: no luck with {FAMILY}"
    assert found["sample"]["failures"] == []
    assert found["sample"]["families"] == [FAMILY]


DECLARES = """
import mi
from mi import Analyzer, Derived, Field, Output, Visualization

def derived(function):
    return Derived(id="refs.d", version=1, function=function)

@mi.hookimpl
def analyze(family):
    one = dict(version=1, title="", outputs={"m": Output(())})
    return [
        Analyzer(id="refs.nowhere", function="mi_not_there:f", **one),
        Analyzer(id="refs.lacking", function="json:no_such_function", **one),
        Analyzer(id="refs.right", function="json:dumps", derived=(derived("mi_not_there.deep:g"),), **one),
    ]

@mi.hookimpl
def visualize(family):
    fields = {"f": Field("line", ("x",))}
    return [Visualization(id="refs.v", title="", fields=fields, frame="json:loads", figure="json:__doc__")]

@mi.hookimpl
def register_family():
    return mi.FamilyCode(id="refs.code", implementation="json:loads")
"""


def test_a_check_imports_every_function_that_is_named(root: Path, install: Install) -> None:
    install("refs", DECLARES)
    ran = run("-w", str(root), "plugins", "refs", "--json")
    assert ran.code == 2
    failures = by_name(ran)["refs"]["failures"]
    said = {(f["hook"], part) for f in failures for part in WRONG if part in f["error"]}
    assert said == {
        ("analyze", "cannot load 'mi_not_there:f'"),
        ("analyze", "cannot load 'json:no_such_function'"),
        ("analyze", "cannot load 'mi_not_there.deep:g'"),
        ("visualize", "json:__doc__ is '"),
        ("register_family", "expected a subclass of mi.VariantCode"),
    }
    assert len(failures) == 5


WRONG = (
    "cannot load 'mi_not_there:f'",
    "cannot load 'json:no_such_function'",
    "cannot load 'mi_not_there.deep:g'",
    "json:__doc__ is '",
    "expected a subclass of mi.VariantCode",
)


def test_what_a_plugin_prints_spoils_no_json(install: Install, outside: None) -> None:
    loud = "import os, sys\nprint('garbage')\nos.write(1, b'more garbage\\n')\nsys.stdin.read()\n"
    install("loud", loud + HOOK + "return []")
    ran = run("plugins", "loud", "--json")
    assert ran.code == 0
    assert sorted(by_name(ran)["loud"]["printed"].splitlines()) == ["garbage", "more garbage"]


def test_a_name_shows_the_full_record_and_the_traceback(root: Path, install: Install) -> None:
    install("raising", HOOK + "raise RuntimeError('no luck')")
    ran = run("-w", str(root), "plugins", "raising")
    assert ran.code == 2
    assert ran.err == "mi: plugin raising failed\n"
    assert "  from            mi-raising 2.5, mi_test_raising\n" in ran.out
    assert "  failed          in analyze: RuntimeError: no luck\n" in ran.out
    assert 'mi_test_raising.py", line 4, in analyze' in ran.out
    assert run("plugins", "rasing").err == "mi: unknown plugin 'rasing': did you mean raising?\n"


def test_a_hook_lists_its_implementers_and_what_they_offer(mi: Mi) -> None:
    assert mi("families", "validate", FAMILY).code == 0
    ran = mi("plugins", "--hook", "analyze")
    assert ran.code == 0
    told = [line.split() for line in ran.out.splitlines() if line.startswith("  analyzers")]
    assert told == [["analyzers", "core.weight_gradients"], ["analyzers", "sample.answers,", "sample.curve"]]
    assert "visualizations" not in ran.out
    assert list(by_name(mi("plugins", "--hook", "visualize", "--json"))) == ["core", "sample"]
    assert refusal(mi("plugins", "--hook", "analyse")) == "unknown hook 'analyse': did you mean analyze?"


def test_a_hook_says_which_plugins_were_never_asked(install: Install, outside: None) -> None:
    install("fresh", HOOK + "return []")
    ran = run("plugins", "--hook", "analyze")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "mi: not loaded yet, so unknown: core, fresh; `mi plugins --check` asks them\n"
    assert "fresh" in run("plugins", "--hook", "analyze", "--check").out


def test_commands_are_listed_with_their_plugin(install: Install, outside: None) -> None:
    command = "import click\n@click.command()\ndef run(): ...\nnone = 7\n"
    entries = (
        "[mi.commands]\nwell = mi_test_both:run\nill = mi_test_both:none\n[mi.plugins]\nboth = mi_test_both\n"
    )
    install("both", command + HOOK + "return []", entries=entries)
    install("alone", command, entries="[mi.commands]\nlonely = mi_test_alone:run\n")
    found = rows()
    assert sorted(found["both"]["commands"]) == ["ill", "well"]
    assert (found["mi-alone"]["kind"], found["mi-alone"]["commands"]) == ("commands", ["lonely"])
    assert "  commands        lonely\n" in run("plugins").out
    failures = rows("both")["both"]["failures"]
    assert [(f["hook"], "command 'ill' is 7" in f["error"]) for f in failures] == [("command", True)]


def test_what_is_refused_before_import_is_listed_and_never_loaded(
    install: Install, outside: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install("old", "import os; os._exit(9)")
    metadata = site / "mi_old-2.5.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace(">=0.1,<1", ">=7"))
    install("off", "import os; os._exit(9)")
    monkeypatch.setenv("MI_DISABLE_PLUGINS", "off")
    for arguments, code in (((), 0), (("--check",), 2)):
        ran = run("plugins", *arguments, "--json")
        assert ran.code == code
        found = by_name(ran)
        assert found["off"]["state"] == "disabled"
        assert found["old"]["state"] == "failed"
        assert [f["hook"] for f in found["old"]["failures"]] == ["discover"]


def test_it_works_when_all_are_broken_and_nothing_can_be_kept(
    install: Install, outside: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("nowhere", "import nowhere_to_be_found")
    (tmp_path / "file").write_text("in the way: not even root can make a folder here")
    monkeypatch.setenv("MI_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("MI_WORKSPACE", str(tmp_path / "no-workspace"))
    assert "nowhere" in run("plugins").out
    ran = run("plugins", "--check")
    assert ran.code == 2
    assert "in import: ModuleNotFoundError: No module named\n" in ran.out
    assert rows()["nowhere"]["state"] == "ready"


def test_a_damaged_record_of_the_last_load_is_as_none(install: Install, outside: None, home: Path) -> None:
    install("plain", HOOK + "return []")
    assert rows("plain")["plain"]["state"] == "loaded"
    kept = next((home / "cache").glob("plugins-*.json"))
    for damage in (b"", b"{", b"[]", b'{"plugins": {"plain": {"record": {}}}}', b"\xff\xfe"):
        kept.write_bytes(damage)
        assert rows()["plain"]["state"] == "ready"
    assert rows("plain")["plain"]["state"] == "loaded"
    assert rows()["plain"]["state"] == "loaded"


def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(
    mi: Mi, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mi.cli.plugin_text import blocks

    monkeypatch.setenv("COLUMNS", "60")
    row = by_name(mi("plugins", "--json"))["sample"]
    row["analyzers"] = [f"sample.analysis_number_{i}" for i in range(20)]
    (text,) = map(click.unstyle, blocks([row]))
    assert max(map(len, text.splitlines())) <= 60
    assert " ".join(text.split()).count("analysis_number_") == 20
    assert all(len(line) <= 60 for line in mi("plugins").out.splitlines()[-3:])


def test_a_command_in_a_sentence_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    from mi.cli.wrapped import labelled

    monkeypatch.setenv("COLUMNS", "40")
    assert labelled("warning", "look at it, then `mi trust mine`", column=10) == (
        "  warning   look at it, then\n            `mi trust mine`"
    )


def test_other_commands_say_one_loud_line_a_failure_and_go_on(root: Path, install: Install) -> None:
    install("nowhere", "import nowhere_to_be_found")
    ran = run("-w", str(root), "families")
    assert ran.code == 0
    assert FAMILY in ran.out
    assert ran.err.splitlines()[0] == (
        "mi: plugin nowhere (mi-nowhere 2.5) failed in import: ModuleNotFoundError: "
        "No module named 'nowhere_to_be_found'; see `mi plugins nowhere`"
    )
