"""Children: equal to their parents until their interventions begin, and otherwise exactly as declared."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch

from mi.cli.group import cli
from mi.domain.intervention import Intervention
from mi.domain.workspace import Variant, Workspace
from mi.errors import StoreError
from mi.store.checkpoints import list_checkpoints, list_states, load_tensors, read_metadata, save_tensors
from mi.store.layout import VariantPaths
from mi.store.losses import open_losses
from mi.training import TrainingInterrupted, densify, read_record, train
from mi.training.inherit import InheritanceError

LENGTH: dict[str, Any] = {"epochs": 24, "schedule": "0:24:4"}


@pytest.fixture
def parent(declare) -> Variant:
    variant = declare()
    train(variant, **LENGTH)
    return variant


@pytest.fixture
def child(workspace: Workspace, parent: Variant) -> Callable[..., Variant]:
    def make(kind: str, slug: str = "x", **given: Any) -> Variant:
        return workspace.child(parent, slug, [Intervention(kind=kind, **given)])

    return make


def _weights(variant: Variant) -> dict[int, dict[str, torch.Tensor]]:
    return {one.epoch: load_tensors(one.path) for one in list_checkpoints(VariantPaths(variant.folder))}


def _same(one: Variant, other: Variant) -> bool:
    a, b = _weights(one), _weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[e][n], b[e][n]) for e in a for n in a[e])


@pytest.mark.parametrize("start", [0, 8, 10])
def test_an_intervention_that_changes_nothing_gives_the_parent_to_the_bit(
    parent: Variant, child, contents, start: int
) -> None:
    same = child("scale", start=start, until=20, options={"gain": 1.0})
    summary = train(same)
    assert summary.start == {0: 0, 8: 8, 10: 8}[start]  # the parent's nearest state, never from zero
    assert _same(same, parent)
    ours, theirs = contents(same), contents(parent)
    assert {n: d for n, d in ours.items() if not n.startswith("states")} == {
        n: d for n, d in theirs.items() if not n.startswith("states")
    }


def test_windows_begin_and_end_at_the_stated_epochs(parent: Variant, child) -> None:
    frozen = child("freeze", where=("offset",), start=6, until=11)
    train(frozen, schedule="0:24:1")
    mine, theirs = _weights(frozen), {e: w for e, w in _weights(parent).items() if e <= 6}
    assert all(torch.equal(mine[e][n], w[n]) for e, w in theirs.items() for n in w)
    moved = [e for e in range(4, 24) if not torch.equal(mine[e]["offset"], mine[e + 1]["offset"])]
    assert moved == [4, 5, *range(11, 24)]
    assert all(not torch.equal(mine[e]["matrix"], mine[e + 1]["matrix"]) for e in range(4, 24))


def test_losses_in_the_window_are_those_of_the_intervened_pass(parent: Variant, child) -> None:
    scaled = child("scale", start=8, until=12, options={"gain": 0.5})
    train(scaled)
    mine, theirs = (open_losses(VariantPaths(one.folder)) for one in (scaled, parent))
    for name in ("train_loss", "test_loss"):
        assert (mine[name][:8] == theirs[name][:8]).all()
        assert mine[name][8] != theirs[name][8]  # the same weights, another pass
    before = load_tensors(VariantPaths(scaled.folder).checkpoint(8))
    plain = scaled.code.training("cpu").evaluate(before)["test_loss"]
    halved = scaled.code_at(8).training("cpu").evaluate(before)["test_loss"]
    assert float(theirs.test_loss[8]) == float(plain)
    assert float(mine.test_loss[8]) == float(halved)
    assert scaled.code_at(7) is scaled.code_at(12) is scaled.code
    assert scaled.code_at(8) is scaled.code_at(11)


def test_a_child_is_named_recorded_and_read_back(parent: Variant, child, workspace: Workspace) -> None:
    made = child("freeze", "no-offset", where=("offset",), start=4)
    assert made.name == "seed0_do-no-offset"
    train(made)
    config = json.loads((made.folder / "config.json").read_text())
    assert config["parent"] == "seed0"
    assert config["interventions"] == [
        {"kind": "freeze", "where": ["offset"], "from": 4, "until": None, "options": {}}
    ]
    found = workspace.variant("seed0_do-no-offset")
    assert (found.parent, found.interventions) == ("seed0", made.interventions)
    assert workspace.variant(family="lines", seed=0).name == "seed0"  # children go by name
    record = read_record(VariantPaths(made.folder))
    assert record is not None and (record.epochs, record.schedule) == (24, "0:24:4")
    with pytest.raises(StoreError, match="holds a variant with other interventions; give another slug"):
        child("freeze", "no-offset", where=("matrix",), start=4)


def test_a_child_of_a_child_keeps_what_its_parent_does(parent: Variant, child, workspace: Workspace) -> None:
    first = child("freeze", "a", where=("offset",), start=8)
    train(first)
    second = workspace.child(first, "b", [Intervention(kind="scale", start=16, options={"gain": 0.5})])
    assert train(second).start == 16
    mine, theirs = _weights(second), _weights(first)
    assert all(torch.equal(mine[e]["offset"], theirs[8]["offset"]) for e in (8, 12, 16, 20, 24))
    assert torch.equal(mine[16]["matrix"], theirs[16]["matrix"])
    assert not torch.equal(mine[20]["matrix"], theirs[20]["matrix"])


def test_interrupted_and_resumed_is_undisturbed(
    child, contents, monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    monkeypatch.setattr("mi.training.run.MOVE_SECONDS", -1.0)
    given: dict[str, Any] = {"start": 6, "until": 15, "options": {"gain": 0.5}}
    whole, parts = child("scale", "whole", **given), child("scale", "parts", **given)
    train(whole)
    pressed: list[int] = []

    def press(now: int, *_: object) -> None:
        if now >= 13 and not pressed:
            pressed.append(now)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingInterrupted):
        train(parts, progress=press)
    assert train(workspace.variant(parts.name), resume=True).start == 13
    assert contents(parts) == contents(whole)
    densify(workspace.variant(parts.name), "13:19:1")  # under the same interventions: every loss is compared
    assert {13, 14, 15, 17, 18, 19} <= {one.epoch for one in list_checkpoints(VariantPaths(parts.folder))}


def test_a_kill_while_the_beginning_is_copied_is_made_good(child, contents, monkeypatch) -> None:
    whole, killed = (child("scale", slug, start=10, options={"gain": 0.5}) for slug in ("whole", "killed"))
    train(whole)
    with monkeypatch.context() as patch:
        patch.setattr("mi.training.inherit.LossHistory", _die)
        with pytest.raises(SystemExit):
            train(killed)
    assert train(killed, resume=True).start == 8
    assert contents(killed) == contents(whole)


def _die(*_: object) -> None:
    raise SystemExit("killed here")


def test_a_parent_that_trains_otherwise_now_is_found_before_anything_differs(parent: Variant, child) -> None:
    paths = VariantPaths(parent.folder)
    tensors = load_tensors(paths.checkpoint(12))
    tensors["offset"] += 1e-6
    save_tensors(paths.checkpoint(12), tensors, read_metadata(paths.checkpoint(12)))
    paths.state(12).unlink()
    with pytest.raises(InheritanceError, match=r"epoch 12 did not come out as in lines/seed0, though"):
        train(child("freeze", where=("offset",), start=14))


def test_without_a_state_the_child_begins_at_its_parents_beginning(parent: Variant, child) -> None:
    for path in list_states(VariantPaths(parent.folder)).values():
        path.unlink()
    summary = train(child("scale", start=10, until=20))
    assert summary.start == 0
    assert summary.notes[0] == "lines/seed0 has no state at or before epoch 10: trained from epoch 0"


def test_a_parent_must_be_trained(declare, workspace: Workspace) -> None:
    variant = declare(seed=5)
    with pytest.raises(StoreError, match="its parent seed5 is not trained; train it first"):
        train(workspace.child(variant, "x", [Intervention(kind="scale")]))


@pytest.mark.parametrize(
    ("one", "more", "sentence"),
    [
        ({"kind": "scale"}, {"schema": 2}, "schema is 2, expected 1"),
        ({"kind": "scale"}, {"slug": "2nd"}, "slug is '2nd', expected lower-case"),
        ({"kind": "scale"}, {"interventions": []}, "no intervention is declared"),
        ({"kind": "frees"}, {}, "kind of intervention 'frees': did you mean freeze"),
        ({"kind": "scale", "from": 4, "until": 4}, {}, "until is 4, expected an epoch after 4"),
        ({"kind": "scale", "options": {"gain": -1}}, {}, "gain of intervention scale is -1"),
        ({"kind": "freeze", "where": "W_X"}, {}, "W_X to freeze, expected matrix"),
        ({"kind": "scale", "till": 4}, {}, "interventions[0].till is 4, expected"),
    ],
)
def test_a_declaration_that_cannot_be_is_one_sentence(
    workspace: Workspace,
    parent: Variant,
    capsys: pytest.CaptureFixture[str],
    one: dict[str, Any],
    more: dict[str, Any],
    sentence: str,
) -> None:
    file = workspace.root / "change.json"
    file.write_text(json.dumps({"schema": 1, "interventions": [one], **more}))
    code = cli.run(["-w", str(workspace.root), "train", "seed0", "--intervene", str(file)])
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err
    assert not (parent.folder.parent / "seed0_do-change").exists()


def test_the_command_makes_lists_and_resumes_a_child(
    workspace: Workspace, parent: Variant, capsys: pytest.CaptureFixture[str]
) -> None:
    file = workspace.root / "hold_offset.json"
    one = {"kind": "freeze", "where": "offset", "from": 8, "until": 16}
    file.write_text(json.dumps({"schema": 1, "interventions": [one]}))
    command = ["-w", str(workspace.root), "train", "seed0", "--intervene", str(file)]
    assert cli.run(command) == 0
    out, err = capsys.readouterr()
    assert re.match(r"lines/seed0_do-hold-offset: 7 checkpoints to epoch 24, 16 epochs trained", out), err
    assert cli.run(["-w", str(workspace.root), "variants", "--where", "parent=seed0", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["parent"]) == ("seed0_do-hold-offset", "seed0")
    assert cli.run(["-w", str(workspace.root), "variants"]) == 0
    assert re.search(r"seed0_do-hold-offset +trained +7 +24 +seed0", capsys.readouterr().out)
    assert cli.run(command) == 2
    assert "exists (trained to epoch 24)" in capsys.readouterr().err
