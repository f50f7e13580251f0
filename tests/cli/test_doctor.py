"""`mi doctor` against real damage: it finds it, names it, says how to mend it, and never dies of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sample_plugin import FAMILY, Ran, run

from mi import doctor
from mi.child import Ended, Report
from mi.doctor import Context, Finding, chromium, machine, packages, plugins, results, tested
from mi.store.commits import Commits
from mi.store.layout import VariantPaths

VARIANT = "n7_seed0"
Install = Callable[..., Path]


@pytest.fixture
def folder(trained: Path) -> Path:
    """The results of a variant that is trained and analyzed."""
    return trained / "results" / FAMILY / VARIANT


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """``distribution(name, version, requires, plugin=source)``: metadata on sys.path."""
    site = tmp_path / "dists"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def make(name: str, version: str, *requires: str, plugin: str | None = None) -> Path:
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {r}" for r in requires), ""]))
        if plugin is not None:
            (info / "entry_points.txt").write_text(f"[mi.plugins]\n{name[3:]} = mi_test_{name[3:]}\n")
            (site / f"mi_test_{name[3:]}.py").write_text(plugin)
        return site

    return make


def looked(root: Path, *, deep: bool = False) -> list[Finding]:
    """What the check of results finds; its child's part is done in this process, which has torch already."""
    said = root / "said.jsonl"
    said.unlink(missing_ok=True)
    results.look({"root": str(root), "deep": deep}, Report(said, sys.stdin.buffer, 60, renew=False))
    told: dict[str, Any] = {}
    for line in said.read_text().splitlines():
        told |= json.loads(line)
    return list(results.findings(Ended(told, "", ""), Context(root=root, deep=deep)))


def wrong(root: Path, *, deep: bool = False) -> list[Finding]:
    """What it does not like."""
    return [f for f in looked(root, deep=deep) if f.state != "ok"]


def flat(ran: Ran) -> str:
    """What was printed, without its line breaks."""
    return " ".join(ran.out.split())


def the_one(found: list[Finding]) -> Finding:
    assert len(found) == 1, found
    return found[0]


def rows(ran: Ran) -> dict[str, dict[str, Any]]:
    listed = json.loads(ran.out)
    found = {row["id"]: row for row in listed}
    assert len(found) == len(listed)
    return found


def test_nothing_is_wrong_where_nothing_is(trained: Path) -> None:
    ran = run("-w", str(trained), "doctor", "--deep", "--check")
    assert (ran.code, ran.err) == (0, ""), ran.out
    assert re.search(r"^  ok +family sample_sums: 4 files are valid$", ran.out, re.MULTILINE)
    assert re.search(r"^  ok +torch [\d.]+\S* computes on \d+ threads", ran.out, re.MULTILINE)
    assert re.search(r"^  ok +sample 1.0 loaded, in [\d.]+ ms$", ran.out, re.MULTILINE)
    assert re.search(
        rf"{FAMILY}/{VARIANT}: 5 checkpoints, 5 training states, 2 analyses, \S+ MB read", flat(ran)
    )
    assert re.search(r"^no problems, \w+ warnings?, \d+ fine$", ran.out.splitlines()[-1])


def test_it_comes_back_when_everything_is_broken(
    tmp_path: Path, sample_site: Path, distribution: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = distribution("mi-bomb", "1.0", "mi-core>=0.1,<1", plugin="import os; os._exit(9)")
    (site / "torch").mkdir()
    (site / "torch" / "__init__.py").write_text("import os; os._exit(7)")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MI_LOAD_PLUGINS", "bomb")
    monkeypatch.setenv("MI_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("MI_CHROMIUM", str(tmp_path / "no-chromium"))
    ran = run("doctor", "--json")
    assert ran.code == 2
    found = rows(ran)
    assert found["device: torch"]["sentence"] == (
        "torch cannot be imported: ended the process with code 7 while importing torch"
    )
    assert found["device: torch"]["mend"] == "pip install --force-reinstall torch"
    assert found["plugins: bomb"]["state"] == "ok"  # as far as is known without loading it
    assert found[f"machine: {tmp_path / 'file'}"]["state"] == "warning"
    assert found["chromium: chromium"]["state"] == "problem"
    assert found["workspace: workspace"]["state"] == "ok"
    checked = rows(run("doctor", "--check", "--json"))["plugins: bomb"]
    assert checked["state"] == "problem"
    assert "ended the process with code 9 while importing" in checked["sentence"]
    assert checked["mend"] == "mi plugins bomb"


def test_a_malformed_family_is_named_and_the_rest_is_judged_in_spite_of_a_deadly_plugin(
    root: Path, distribution: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(root / "model_families" / FAMILY, root / "model_families" / "broken")
    path = root / "model_families" / "broken" / "family.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"name": "broken", "parameters": {"size": {"type": "integer"}}}))
    distribution("mi-bomb", "1.0", "mi-core>=0.1,<1", plugin="import os; os._exit(9)")
    monkeypatch.setenv("MI_LOAD_PLUGINS", "sample,bomb")
    found = rows(run("-w", str(root), "doctor", "--json"))
    # Nobody knows yet that this plugin ends the process that loads all of them.
    assert found["workspace: validation"]["sentence"] == (
        "families cannot be validated: it ended the process with code 9 while loading plugins"
    )
    assert found["workspace: validation"]["mend"] == "mi plugins --check"
    assert run("-w", str(root), "plugins", "bomb").code == 2
    ran = run("-w", str(root), "doctor", "--json")
    assert ran.code == 2
    found = rows(ran)
    assert "at its last load" in found["plugins: bomb"]["sentence"]
    assert found[f"workspace: family {FAMILY}"]["state"] == "ok"
    bad = found["workspace: model_families/broken/family.json/0"]
    assert bad["state"] == "problem"
    assert bad["sentence"].startswith("model_families/broken/family.json: parameters.size.type is 'integer'")
    assert bad["mend"].startswith("edit model_families/broken/family.json")


def test_a_truncated_chunk_is_found_by_reading(trained: Path, folder: Path) -> None:
    chunk = folder / "artifacts.zarr/full/sample.answers/right/c/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-5])
    assert wrong(trained) == []
    found = the_one(wrong(trained, deep=True))
    assert found.state == "problem"
    place = f"results/{FAMILY}/{VARIANT}/artifacts.zarr/full/sample.answers/right/c/0/0/0"
    assert found.sentence.startswith(f"{place}: damaged chunk (epoch 0, 10, 20, 30 and 1 more)")
    assert found.mend == f"mi clean {VARIANT} && mi analyze {VARIANT}"


def test_a_missing_chunk_is_found_without_reading(trained: Path, folder: Path) -> None:
    (folder / "artifacts.zarr/full/sample.curve/share/c/0").unlink()
    found = the_one(wrong(trained))
    assert found.state == "problem"
    assert found.sentence.endswith("sample.curve/share/c/0: missing chunk")


def test_commit_records_that_are_gone_or_damaged_are_found(trained: Path, folder: Path) -> None:
    record = folder / "commits/full/sample.answers/0000.json"
    content = record.read_text()
    record.unlink()
    assert f"results/{FAMILY}/{VARIANT}/full/sample.answers: nothing of it is committed" in {
        f.sentence for f in wrong(trained)
    }
    record.write_text(content)
    Commits.of(VariantPaths(folder), "full", "sample.answers").retract([20])
    found = the_one(wrong(trained))
    assert found.state == "problem"
    assert found.sentence.endswith("'committed' differs from the commit records at epoch 20")
    record.write_text(content[:40])
    assert "0000.json: damaged commit record" in the_one(wrong(trained)).sentence
    record.write_text(content)
    shutil.rmtree(folder / "artifacts.zarr/full/sample.answers")
    assert any(f.sentence.endswith("commit records without arrays") for f in wrong(trained))


@pytest.mark.parametrize("kind", ["checkpoints", "states"])
def test_a_flipped_bit_and_a_truncation_of_weights_are_found(kind: str, trained: Path, folder: Path) -> None:
    path = folder / kind / "e00000020.safetensors"
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[-3] ^= 1
    path.write_bytes(flipped)
    assert wrong(trained) == []
    found = the_one(wrong(trained, deep=True))
    assert found.state == "problem"
    assert found.sentence.endswith(
        f"{kind}/e00000020.safetensors: damaged, its bytes are not those that were written"
    )
    assert found.mend.startswith("put the file back from a copy")
    for damage in (content[:-1], b"", b"\xff" * 50):
        path.write_bytes(damage)
        found = the_one(wrong(trained))
        assert (found.state, f"{kind}/e00000020.safetensors: damaged" in found.sentence) == ("problem", True)


def test_metadata_of_variants_are_judged(trained: Path, folder: Path) -> None:
    (folder / "metadata.json").write_text("{}")
    assert "metadata.json: schema is 'missing'" in the_one(wrong(trained)).sentence
    (folder / "config.json").write_text("{")
    found = the_one(wrong(trained))
    assert found.state == "problem"
    assert found.sentence.startswith(f"results/{FAMILY}/{VARIANT}/config.json: file is")


def test_what_killed_processes_left_is_found_and_a_working_one_is_left_alone(
    trained: Path, folder: Path
) -> None:
    from mi.store.layout import VariantPaths
    from mi.store.lock import variant_lock

    (folder / "checkpoints" / ".e00000050.safetensors.x1.partial").write_bytes(b"half")
    (folder / ".staging").mkdir()
    (folder / ".staging" / "half").write_bytes(b"")
    left = wrong(trained)
    place = f"results/{FAMILY}/{VARIANT}"
    assert [(f.state, f.mend) for f in left] == [("warning", f"mi clean {VARIANT}")] * 2
    assert left[0].sentence == f"{place}/.staging: left behind by a process that was killed"
    with variant_lock(VariantPaths(folder)):
        (listed,) = looked(trained)
    assert (listed.state, "being written by another process" in listed.sentence) == ("ok", True)


def test_what_is_installed_is_compared_with_what_is_needed(
    distribution: Install, sample_site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution("numpy", "1.0")
    distribution(
        "mi-needy", "3.0", "mi-core>=0.1,<1", "nothing-like-this>=2", 'other; extra == "x"', plugin=""
    )
    monkeypatch.setenv("MI_LOAD_PLUGINS", "sample,needy")
    found = {f.subject: f for f in packages.check(Context())}
    old = found["mi-core/numpy"]
    assert (old.state, old.sentence) == ("problem", "numpy 1.0 is installed; mi-core needs <3,>=2")
    assert old.mend == 'pip install "numpy<3,>=2"'
    missing = found["mi-needy/nothing-like-this"]
    assert missing.state == "problem"
    assert missing.sentence == "nothing-like-this is not installed; mi-needy needs it (>=2)"
    assert found["mi-needy needs"].sentence == "mi-needy finds what it needs: mi-core 0.1.0"
    assert "numpy" not in found["mi-core needs"].sentence
    assert found["python"].state == "ok"
    monkeypatch.setenv("MI_LOAD_PLUGINS", "sample")  # what is not loaded needs nothing
    assert not any(f.subject.startswith("mi-needy") for f in packages.check(Context()))


def test_a_version_that_was_not_tested_is_told_with_the_one_that_was(distribution: Install) -> None:
    distribution("click", "8.999.0")
    needs = {f.subject: f for f in packages.check(Context())}["mi-core needs"]
    assert f"click 8.999.0 (tested {tested.TESTED['click']})" in needs.sentence


def test_the_tested_versions_are_those_of_the_constraints() -> None:
    lines = (Path(__file__).parents[2] / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    pinned = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pinned.items()}
    assert {name: pinned[name] for name in tested.TESTED} == tested.TESTED
    from importlib.metadata import requires

    needed = {re.match(r"[\w-]+", text)[0] for text in requires("mi-core") or ()}  # type: ignore[index]
    assert needed == set(tested.TESTED)


def test_chromium_is_looked_for_and_started(tmp_path: Path) -> None:
    nowhere = {"PATH": str(tmp_path), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / "playwright")}
    (none,) = chromium.check(Context(environ=nowhere))
    assert (none.state, "no Chromium" in none.sentence) == ("warning", True)
    assert "MI_CHROMIUM" in none.mend
    (named,) = chromium.check(Context(environ=nowhere | {"MI_CHROMIUM": "/nowhere/chromium"}))
    assert (named.state, named.sentence) == (
        "problem",
        "MI_CHROMIUM is /nowhere/chromium, which cannot be run",
    )
    own = tmp_path / "playwright" / "chromium-1200" / "chrome-linux64" / "chrome"
    for script, state, sentence in (
        ("#!/bin/sh\nexit 3\n", "problem", f"{own} does not start (exit code 3)"),
        ("#!/bin/sh\necho Chromium 99\n", "ok", f"Chromium 99 ({own})"),
    ):
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(script)
        own.chmod(0o755)
        (found,) = chromium.check(Context(environ=nowhere))
        assert (found.state, found.sentence) == (state, sentence)
    (real,) = chromium.check(Context(environ=dict(os.environ)))
    assert (real.state, real.sentence.startswith("Chromium ")) == ("ok", True)


@pytest.mark.parametrize(
    "environ, subject, said",
    [
        ({"OMP_NUM_THREADS": "999"}, "OMP_NUM_THREADS", "OMP_NUM_THREADS is 999, on "),
        ({"MKL_NUM_THREADS": "many"}, "MKL_NUM_THREADS", "is 'many', expected a number of threads"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "OMP_WAIT_POLICY", "waiting threads keep their cores busy"),
        ({"GOMP_SPINCOUNT": "infinite"}, "GOMP_SPINCOUNT", "waiting threads keep their cores busy"),
    ],
)
def test_settings_that_make_torch_slow_are_named(environ: dict[str, str], subject: str, said: str) -> None:
    found = the_one(list(machine.threads(Context(environ=environ))))
    assert (found.state, found.subject) == ("warning", subject)
    assert said in found.sentence
    assert found.mend
    quiet = {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "1000"}
    assert the_one(list(machine.threads(Context(environ=quiet)))).state == "ok"


def test_a_check_that_fails_is_a_finding_and_stops_no_other(
    tmp_path: Path, sample_site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(context: Context) -> list[Finding]:
        raise KeyError("unforeseen")

    monkeypatch.setattr(packages, "check", fails)
    found = list(doctor.examine(Context()))
    broken = [f for f in found if f.check == "packages"]
    assert the_one(broken).sentence == "this check failed itself: KeyError: 'unforeseen'"
    assert {f.check for f in found} == set(doctor.CHECKS) - {"results"}


def test_a_version_is_judged_as_where_plugins_are_loaded_and_each_cure_can_be_done(
    root: Path, distribution: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution("mi-newer", "1.0", "mi-core>=0.5,<1", plugin="")
    distribution("mi-major", "1.0", "mi-core>=7,<8", plugin="")
    (root / "local_plugins").mkdir(exist_ok=True)
    (root / "local_plugins" / "later.py").write_text('MI_API = "2"')
    monkeypatch.setenv("MI_LOAD_PLUGINS", "sample,newer,major,later")
    found = {f.subject: f for f in packages.check(Context())}
    found |= {f.subject: f for f in plugins.findings(plugins.rows(Context(root=root)), os.environ)}
    newer = "it needs mi-core>=0.5,<1, this is 0.1.0: written for a newer version"
    assert (found["mi-newer/mi-core"].state, found["newer/0"].state) == ("warning", "warning")
    assert found["mi-newer/mi-core"].sentence.startswith(f"mi-newer: {newer}")
    assert found["newer/0"].sentence == f"plugin {found['mi-newer/mi-core'].sentence.removeprefix('mi-')}"
    cure = "install a version of mi-major for mi-core 0.x, or `pip uninstall mi-major`"
    assert found["mi-major/mi-core"].sentence == "mi-major: it needs mi-core>=7,<8, this is 0.1.0"
    assert {(found[s].state, found[s].mend) for s in ("mi-major/mi-core", "major")} == {("problem", cure)}
    assert found["later"].state == "problem"
    assert 'it states MI_API "2", this is 0.1.0' in found["later"].sentence
    assert found["later"].mend.startswith("make it work with this version")


def test_a_variable_that_names_no_plugin_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MI_DISABLE_PLUGINS", "sampel, nosuch")
    rows = plugins.rows(Context(root=root))
    (found,) = [f for f in plugins.findings(rows, os.environ) if f.subject == "MI_DISABLE_PLUGINS"]
    sentence = "MI_DISABLE_PLUGINS names 'nosuch', 'sampel' (did you mean sample?): no plugin has that name"
    assert (found.state, found.sentence) == ("warning", sentence)
    assert run("-w", str(root), "plugins").err == f"mi: {sentence}\n"
    monkeypatch.setenv("MI_DISABLE_PLUGINS", "sample")
    assert run("-w", str(root), "plugins").err == ""
