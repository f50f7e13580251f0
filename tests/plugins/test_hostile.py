"""Every hostile plugin at once, through the command: all else works, and each is said in one loud line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugins.hostile import ALONE, BORNE, BROKEN, FAILING, names, write_distribution, write_site
from sample_plugin import FAMILY, SITE, Ran, root, run, run_process, sample_site, trained, trained_once

__all__ = ["root", "sample_site", "trained", "trained_once"]

LOUD = {
    **{name: f"mi: plugin {name} (mi-{name} 1.0) failed in {p.hook}: " for name, p in FAILING.items()},
    **{
        said: f"mi: plugin {said} ({said} 1.0) failed in discover: " for _, _, said in BROKEN.values() if said
    },
}
ERRORS = {name: plugin.error for name, plugin in FAILING.items()} | {
    "mi-garbled": "its metadata cannot be read (",
    "mi-latin": "its metadata cannot be read (",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("hostile") / "site")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace made while nothing hostile was installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SITE)
        patch.setenv("MI_LOAD_PLUGINS", "sample")
        made = tmp_path_factory.mktemp("workspace") / "ws"
        assert run("init", str(made)).code == 0
        assert run("-w", str(made), "families", "add", FAMILY).code == 0
    return made


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The site in this process."""
    for path in (SITE, site):
        monkeypatch.syspath_prepend(path)
    monkeypatch.setenv("MI_LOAD_PLUGINS", names())
    yield
    for name in [n for n in sys.modules if n.startswith("mi_hostile_")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def validated(site: Path, folder: Path) -> Ran:
    """`mi families validate` in a process of its own: it asks every hook of every plugin."""
    environ = {"PYTHONPATH": f"{SITE}:{site}", "MI_LOAD_PLUGINS": names(*ALONE)}
    return run_process("-w", folder.name, "families", "validate", cwd=folder.parent, **environ)


def test_everything_else_still_works(validated: Ran) -> None:
    """Also the relative workspace, after a plugin has changed the folder, and output after one closed it."""
    assert validated.code == 0, validated.err[-3000:]
    assert f"model_families/{FAMILY}/family.json" in validated.out
    assert "NOISE" not in validated.out
    assert "NOISE at import" in validated.err


@pytest.mark.parametrize("name", LOUD)
def test_a_hostile_plugin_is_said_in_one_loud_line(validated: Ran, name: str) -> None:
    lines = [line for line in validated.err.splitlines() if line.startswith(LOUD[name])]
    assert len(lines) == 1, validated.err[-3000:]
    assert ERRORS[name] in lines[0] + ";"
    assert len(lines[0]) < 700
    assert lines[0].isprintable()
    assert lines[0].endswith(f"; see `mi plugins {name}`")


def test_metadata_that_break_a_library_are_named(site: Path, trained: Path) -> None:
    """xarray and others read everybody's entry points."""
    environ = {"PYTHONPATH": f"{SITE}:{site}", "MI_LOAD_PLUGINS": "sample"}
    ran = run_process("-w", str(trained), "show", "n7_seed0", **environ)
    assert (ran.code, ran.out) == (2, "")
    assert len(ran.err.splitlines()) == 1
    assert "mi: broken metadata of " in ran.err
    assert str(site) in ran.err
    assert "install it anew or remove it" in ran.err


def test_nobody_else_is_blamed(validated: Ran) -> None:
    said = [line for line in validated.err.splitlines() if "NOISE" not in line]
    twins = [line for line in said if line.startswith("mi: plugin twin (mi-twin-")]
    assert len(twins) == 2
    assert all("claimed by mi-twin-one and mi-twin-two; remove one of them" in line for line in twins)
    assert len(said) == len(LOUD) + len(twins), "\n".join(said)


def test_json_stays_json(site: Path, folder: Path) -> None:
    environ = {
        "PYTHONPATH": f"{SITE}:{site}",
        "MI_LOAD_PLUGINS": "sample,noisy,closing,swapping,threads,raising",
    }
    ran = run_process("-w", str(folder), "families", "--json", **environ)
    assert ran.code == 0
    assert [row["id"] for row in json.loads(ran.out)] == [FAMILY]
    assert ran.err.count("NOISE") == 2


@pytest.mark.parametrize("name", FAILING)
def test_strict_ends_with_2_and_the_same_sentence(
    name: str, installed: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MI_LOAD_PLUGINS", f"sample,{name}")
    monkeypatch.setenv("MI_STRICT_PLUGINS", "1")
    ran = run("-w", str(folder), "families", "validate")
    assert ran.code == 2
    assert f"plugin {name} (mi-{name} 1.0) failed in {FAILING[name].hook}: " in ran.out + ran.err
    assert FAILING[name].error.rstrip(";") in ran.out + ran.err


def test_debug_shows_what_a_strict_failure_came_from(
    installed: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MI_LOAD_PLUGINS", "sample,late")
    monkeypatch.setenv("MI_STRICT_PLUGINS", "1")
    err = run("-w", str(folder), "--debug", "families").err
    assert "mi_hostile_late.py" in err
    assert "KeyError: 'late'" in err


def test_trace_says_every_call_of_a_plugin(
    installed: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MI_LOAD_PLUGINS", "sample,late,good,leaving")
    monkeypatch.setenv("MI_TRACE_PLUGINS", "1")
    ran = run("-w", str(folder), "families", "validate")
    traced = [line.rpartition(" in ")[0] for line in ran.err.splitlines() if line.endswith(" ms")]
    assert [t for t in traced if t.startswith("mi: plugin sample: ")] == [
        "mi: plugin sample: import returned 1",
        "mi: plugin sample: register returned 0",
        "mi: plugin sample: register_family returned 1",
        "mi: plugin sample: analyze returned 2",
        "mi: plugin sample: visualize returned 1",
    ]
    assert "mi: plugin late: register_family raised KeyError" in traced
    assert "mi: plugin leaving: visualize raised SystemExit" in traced
    assert "mi: plugin good: analyze returned 1" in traced


def test_what_is_borne_is_on_record(installed: None) -> None:
    from mi.plugins import load_host

    records = {record.name: record for record in load_host().records}
    assert {name: records[name].status for name in BORNE} == dict.fromkeys(BORNE, "loaded")
    assert "written for a newer version" in records["newer"].warnings[0]
    assert "its import took" in records["slow"].warnings[0]
    assert "mi_hostile_major" not in sys.modules
    assert records["huge"].failures == []  # not asked yet


def test_a_plugin_that_ends_the_process_is_named_by_trace_and_can_be_switched_off(
    site: Path, folder: Path, tmp_path: Path
) -> None:
    """`mi plugins`, `mi --help` and `mi --version` import nothing, so that it can be found."""
    more = tmp_path / "more"
    write_distribution(more, "ends", "import os; os._exit(41)")
    environ = {"PYTHONPATH": f"{SITE}:{more}", "MI_LOAD_PLUGINS": "sample,ends", "MI_TRACE_PLUGINS": "1"}
    assert run_process("-w", str(folder), "families", **environ).code == 41
    for arguments in (["--help"], ["--version"], ["plugins"]):
        assert run_process(*arguments, cwd=folder, **environ).code == 0
    ran = run_process("-w", str(folder), "families", **environ, MI_DISABLE_PLUGINS="ends")
    assert (ran.code, FAMILY in ran.out) == (0, True)


COMMANDS = {
    "mi-shout": "shout = nowhere_to_be_found:command",
    "mi-bye": "bye = mi_hostile_bye:command",
    "mi-seven": "seven = mi_hostile_bye:seven",
    "mi-one": "both = mi_hostile_ok:command",
    "mi-two": "both = mi_hostile_ok:command",
}


def test_a_hostile_command_harms_no_other(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mi_hostile_bye.py").write_text(
        "seven = 7\ndef __getattr__(name):\n    class Bye(BaseException): pass\n    raise Bye(name)\n"
    )
    for dist, entry in COMMANDS.items():
        info = tmp_path / f"{dist.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[mi.commands]\n{entry}\n")
    info = tmp_path / "mi_bad-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: mi-bad\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mi.commands]\nno equals sign\n")
    monkeypatch.syspath_prepend(tmp_path)
    listed = run("--help").out
    assert all(name in listed for name in ("shout", "bye", "both", "From mi-shout 1.0."))
    refusals = {
        "shout": "command 'shout' of mi-shout 1.0 failed in import: ModuleNotFoundError",
        "bye": "command 'bye' of mi-bye 1.0 failed in import: Bye: command",
        "seven": "command 'seven' of mi-seven 1.0: mi_hostile_bye:seven is not a click command",
        "both": "the command 'both' is claimed by mi-one 1.0 and mi-two 1.0; remove one of them",
    }
    for name, sentence in refusals.items():
        ran = run(name)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith(f"mi: {sentence}")
        assert len(ran.err.splitlines()) == 1
    assert run("-w", str(folder), "families").code == 0
