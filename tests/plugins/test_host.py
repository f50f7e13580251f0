"""The plugin host against real, installed, hostile distributions: one that fails harms no other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mi.domain.family import Family
from mi.errors import MiError, PluginError
from mi.plugins import Host, load_host

Install = Callable[..., None]

GOOD = """
from mi import Analyzer, Output, hookimpl

@hookimpl
def analyze(family):
    return [Analyzer(id="good.mean", version=1, title="Mean", function="x:y", outputs={"m": Output(())})]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a plugin as a distribution: a module and its dist-info on sys.path."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    before = set(sys.modules)

    def make(
        name: str, source: str, *, dist: str = "", requires: str = "mi-core>=0.1,<1", module: str = ""
    ) -> None:
        dist, module = dist or f"mi-{name}", module or f"mi_test_{name}"
        (site / f"{module}.py").write_text(source)
        info = site / f"{dist.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n"
        (info / "METADATA").write_text(metadata + (f"Requires-Dist: {requires}\n" if requires else ""))
        (info / "entry_points.txt").write_text(f"[mi.plugins]\n{name} = {module}\n")

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("mi_test_"):
            del sys.modules[name]


@pytest.fixture
def family() -> Family:
    return Family(name="f", code="good.code", parameters={}, pattern="f")


def load(**environ: str) -> Host:
    return load_host(builtin=False, environ={"MI_LOAD_PLUGINS": "good,bad,worse,other"} | environ)


def record(host: Host, name: str) -> Any:
    return next(r for r in host.records if r.name == name)


HOSTILE = {
    "import error": ("import nowhere_to_be_found", "import", "ModuleNotFoundError"),
    "syntax error": ("def broken(:", "import", "SyntaxError"),
    "sys.exit": ("import sys; sys.exit(3)", "import", "SystemExit: 3"),
    "unknown hook": (
        "import mi\n@mi.hookimpl\ndef analyse(family): return []",
        "register",
        "did you mean analyze?",
    ),
    "wrong arguments": (
        "import mi\n@mi.hookimpl\ndef analyze(familly): return []",
        "register",
        "familly",
    ),
    "raising hook": (
        "import mi\n@mi.hookimpl\ndef analyze(family): raise RuntimeError('no luck')",
        "analyze",
        "RuntimeError: no luck",
    ),
    "exiting hook": (
        "import mi\n@mi.hookimpl\ndef analyze(family): raise SystemExit(1)",
        "analyze",
        "SystemExit: 1",
    ),
    "raising generator": (
        "import mi\n@mi.hookimpl\ndef analyze(family):\n    yield from ()\n    raise KeyError('late')",
        "analyze",
        "KeyError: 'late'",
    ),
    "wrong type": (
        "import mi\n@mi.hookimpl\ndef analyze(family): return ['mean']",
        "analyze",
        "returned 'mean', expected Analyzer",
    ),
    "not a list": (
        "import mi\n@mi.hookimpl\ndef analyze(family): return 7",
        "analyze",
        "returned 7, expected Analyzer",
    ),
    "foreign id": (
        GOOD,
        "analyze",
        "analyzer id is 'good.mean', which belongs to plugin good (mi-good 1.0)",
    ),
    "bad declaration": (
        "import mi\n@mi.hookimpl\ndef analyze(family):\n"
        "    return [mi.Analyzer(id='bad.x', version=1, title='', function='x:y', outputs={})]",
        "analyze",
        "no outputs are declared",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_plugin_loses_only_its_own_contribution(
    case: str, install: Install, family: Family
) -> None:
    source, hook, sentence = HOSTILE[case]
    install("bad", source)
    install("good", GOOD)
    host = load()
    assert list(host.analyzers(family)) == ["good.mean"]
    assert record(host, "good").failures == []
    failures = record(host, "bad").failures
    assert len(failures) == 1
    assert failures[0].hook == hook
    assert sentence in failures[0].error


@pytest.mark.parametrize("case", HOSTILE)
def test_strict_raises_at_the_first_failure(case: str, install: Install, family: Family) -> None:
    source, _, sentence = HOSTILE[case]
    install("bad", source)
    install("good", GOOD)
    with pytest.raises(BaseException) as caught:
        load(MI_STRICT_PLUGINS="1").analyzers(family)
    assert sentence.split(": ")[-1] in f"{type(caught.value).__name__}: {caught.value}"


def test_a_name_claimed_twice_is_refused_and_both_distributions_are_named(
    install: Install, family: Family
) -> None:
    install("bad", GOOD, dist="mi-one", module="mi_test_one")
    install("bad", GOOD, dist="mi-two", module="mi_test_two")
    install("good", GOOD)
    host = load()
    assert list(host.analyzers(family)) == ["good.mean"]
    claims = [r.failures[0].error for r in host.records if r.name == "bad"]
    assert len(claims) == 2
    assert all("mi-one and mi-two" in error for error in claims)
    assert "mi_test_one" not in sys.modules


def test_another_api_major_is_refused_before_import(install: Install) -> None:
    install("bad", "raise AssertionError('imported')", requires="mi-core>=7,<8")
    host = load()
    assert record(host, "bad").status == "failed"
    assert "it needs mi-core>=7,<8, this is 0.1.0" in record(host, "bad").failures[0].error


def test_a_matching_requirement_loads(install: Install, family: Family) -> None:
    install("good", GOOD, requires="mi-core>=0.1,<1")
    host = load()
    assert record(host, "good").status == "loaded"
    assert record(host, "good").hooks == ("analyze",)
    assert record(host, "good").milliseconds > 0


def test_environment_chooses_plugins(install: Install, family: Family) -> None:
    install("good", GOOD)
    assert record(load(MI_DISABLE_PLUGINS="good"), "good").status == "disabled"
    assert load(MI_DISABLE_PLUGINS="good").analyzers(family) == {}
    assert record(load(MI_LOAD_PLUGINS="other"), "good").status == "disabled"


def test_a_hook_is_asked_once_however_often_its_answer_is_read(install: Install, family: Family) -> None:
    install(
        "good",
        "from mi import hookimpl\ncalls = []\n"
        "@hookimpl\ndef analyze(family):\n    calls.append(family.name)\n    return []\n",
    )
    host = load()
    host.analyzers(family)
    host.analyzers(family)
    assert sys.modules["mi_test_good"].calls == ["f"]  # type: ignore[attr-defined]


def test_code_of_a_broken_plugin_is_named(install: Install, family: Family) -> None:
    install("good", "raise ImportError('libmissing')")
    with pytest.raises(
        MiError,
        match=r"^plugin good .mi-good 1.0. failed in import: .*libmissing; so there is no code .*'good.code'",
    ):
        load().variant_code(family, {})


def test_a_code_that_is_no_variant_code_is_refused(install: Install, family: Family) -> None:
    install(
        "good",
        "import mi\n@mi.hookimpl\ndef register_family():\n"
        "    return mi.FamilyCode(id='good.code', implementation=dict)",
    )
    with pytest.raises(PluginError, match="not a VariantCode"):
        load().variant_code(family, {})


@pytest.mark.parametrize(
    "source, environ, expected",
    [
        (
            "1 / 0",
            {},
            "plugin good (mi-good 1.0) failed in import: ZeroDivisionError: division by zero; "
            "so there is no analyzer 'good.turn'",
        ),
        (
            GOOD,
            {"MI_DISABLE_PLUGINS": "good"},
            "plugin good (mi-good 1.0) is disabled (MI_LOAD_PLUGINS, MI_DISABLE_PLUGINS); "
            "so there is no analyzer 'good.turn'",
        ),
        (GOOD, {}, "unknown analyzer 'good.turn': did you mean good.mean?"),
        (
            GOOD.replace("return [", "return [7, "),
            {},
            "plugin good (mi-good 1.0) failed in analyze: returned 7, expected Analyzer; "
            "so there is no analyzer 'good.turn'",
        ),
    ],
    ids=["failed", "disabled", "works", "partly"],
)
def test_what_keeps_a_plugin_from_offering_an_id_is_the_news(
    source: str, environ: dict[str, str], expected: str, install: Install, family: Family
) -> None:
    install("good", source)
    host = load(**environ)
    assert str(host.unoffered("analyzer", "good.turn", host.analyzers(family))) == expected


def test_a_near_name_of_a_plugin_of_which_some_part_failed_is_named_with_it(
    install: Install, family: Family
) -> None:
    install("good", GOOD.replace("return [", "return [7, "))
    host = load()
    said = str(host.unoffered("analyzer", "good.meam", host.analyzers(family)))
    assert said.startswith("unknown analyzer 'good.meam': did you mean good.mean? plugin good")
    read = str(host.unread(family, "bad.view", "good.meam"))
    assert read == (
        "visualization bad.view reads 'good.meam', and plugin good (mi-good 1.0) failed in analyze: "
        "returned 7, expected Analyzer (did you mean good.mean?)"
    )


def test_a_file_that_is_not_run_is_said_again_only_when_it_has_changed(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "local_plugins" / "mine.py"
    file.parent.mkdir()
    hosts, said = [], []
    for content in ("a = 1", "a = 1", "a = 2"):
        file.write_text(content)
        hosts.append(load_host(tmp_path, builtin=False, installed=False, environ={}))
        hosts[-1].announce(said.append, hosts[-2] if len(hosts) > 1 else None)
    assert len(said) == 2
    assert all("not run, for it was never trusted" in line for line in said)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
