"""How failures of analyzers are told: where they were raised, once, and with a traceback on request."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from attrs import evolve

from mi.cli import cli
from mi.engine.analyze import analyze
from mi.engine.failure import Failure
from mi.engine.folded import folded
from mi.errors import PluginError
from mi.store.artifacts import ArtifactReader
from mi.store.layout import VariantPaths

HELPER = """\
def torn(data):
    return inner(data)

def inner(data):
    if {when}:
        return {{"energy": np.mean(1)}}
    return {{"energy": 0.0}}
"""
RAISED = "raised NameError: name 'np' is not defined (mi_tiny/torn.py, line 6)"


@pytest.fixture
def torn(tiny: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """``torn(when)``: the analyzer of energies lies in a module of its own, and raises where that holds."""

    def write(when: str) -> None:
        folder = tmp_path / "more" / "mi_tiny"
        folder.mkdir(parents=True, exist_ok=True)
        sys.modules.pop("mi_tiny.torn", None)
        (folder / "torn.py").write_text(HELPER.format(when=when))
        monkeypatch.setattr(tiny, "__path__", [*tiny.__path__, str(folder)])
        tiny.ANALYZERS["tiny.energy"] = evolve(tiny.ANALYZERS["tiny.energy"], function="mi_tiny.torn:torn")

    return write


def run(capsys: Any, variant: Any, *arguments: str) -> tuple[int, str]:
    code = cli.run(["-w", str(variant.workspace.root), *arguments])
    return code, capsys.readouterr().err


def test_equal_failures_are_one_line_and_the_log_keeps_each(make: Any, torn: Any, capsys: Any) -> None:
    torn("data.epoch != 100")
    variant = make()
    code, err = run(capsys, variant, "analyze", variant.name)
    assert code == 2
    start = "mi: n11_seed0: analyzer tiny.energy of plugin tiny (mi-tiny 1.0)"
    told = [line for line in err.splitlines() if line.startswith("mi: ")]
    assert told == [f"{start} at 4 checkpoints (first: epoch 0): {RAISED}"]
    assert "Traceback" not in err
    log = json.loads(VariantPaths(variant.folder).log.read_text())
    starts = sorted(m.split(" at epoch ")[1] for m in log["failures"])
    assert starts == [f"{e}: {RAISED}" for e in ("0", "200", "400", "50")]


def test_with_debug_each_analyzers_first_traceback_is_shown_once(make: Any, torn: Any, capsys: Any) -> None:
    torn("True")
    variant = make()
    code, err = run(capsys, variant, "--debug", "analyze", variant.name)
    assert code == 2
    assert err.count("mi: tiny.energy: its first failure:") == err.count("Traceback (most recent call") == 1
    assert 'torn.py", line 6, in inner' in err
    assert f"at 5 checkpoints (first: epoch 0): {RAISED}" in err


def test_in_strict_mode_the_first_failure_ends_the_command(
    make: Any, torn: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn("data.epoch >= 100")
    monkeypatch.setenv("MI_STRICT_PLUGINS", "1")
    variant = make()
    with pytest.raises(PluginError, match=r"tiny\.energy of plugin .* at epoch \d+: raised") as caught:
        analyze([variant], analyzers=["tiny.energy"])
    assert isinstance(caught.value.__cause__, NameError)
    held = ArtifactReader(VariantPaths(variant.folder)).committed("full", "tiny.energy")
    assert list(held) == [0, 50]  # what was done before stays
    code, err = run(capsys, variant, "--debug", "analyze", variant.name)
    assert code == 2
    assert 'torn.py", line 6, in inner' in err
    assert err.splitlines()[-1].endswith(RAISED)
    monkeypatch.delenv("MI_STRICT_PLUGINS")
    torn("False")
    assert analyze([make()]).failures == []  # and the store is whole


def test_in_strict_mode_a_trajectory_that_raises_ends_the_command(
    make: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.ANALYZERS["tiny.path"] = evolve(tiny.ANALYZERS["tiny.path"], function=lambda data: data.losses.x)
    where = "AttributeError: .* \\(tests/engine/test_told.py, line "
    assert [f.analyzer for f in analyze([make()]).failures] == ["tiny.path", "tiny.drift"]
    monkeypatch.setenv("MI_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=where) as caught:
        analyze([make()])
    assert isinstance(caught.value.__cause__, AttributeError)


def test_what_a_trajectory_reads_undeclared_names_the_analyzer(make: Any, tiny: Any) -> None:
    def path(data: Any) -> Any:
        return data.artifacts["tiny.grid"]

    tiny.ANALYZERS["tiny.path"] = evolve(tiny.ANALYZERS["tiny.path"], function=path)
    message = analyze([make()], analyzers=["tiny.path"]).failures[0].message
    assert message.startswith(
        "analyzer tiny.path of plugin tiny (mi-tiny 1.0): raised artifact 'tiny.grid' is"
    )
    assert "read but not declared" in message


def test_only_what_differs_in_the_epoch_alone_is_folded() -> None:
    failures = [
        Failure("v", "checkpoint e3: damaged", epoch=3),
        Failure("v", "analyzer a.b at epoch 400: raised X", "a.b", 400),
        Failure("v", "analyzer a.b at epoch 0: raised X", "a.b", 0),
        Failure("v", "analyzer a.b at epoch 50: raised Y at epoch 50: Z", "a.b", 50),
        Failure("v", "analyzer a.c at epoch 0: raised X", "a.c", 0),
        Failure("v", "analyzer a.d: raised X", "a.d"),
    ]
    assert folded(failures) == [
        "checkpoint e3: damaged",
        "analyzer a.b at 2 checkpoints (first: epoch 0): raised X",
        "analyzer a.b at epoch 50: raised Y at epoch 50: Z",
        "analyzer a.c at epoch 0: raised X",
        "analyzer a.d: raised X",
    ]
