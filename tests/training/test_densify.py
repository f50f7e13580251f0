"""A window of a finished training, trained again for more checkpoints."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from mi.domain.workspace import Variant
from mi.errors import CheckpointError, LockedError, ParameterError, StoreError
from mi.store.checkpoints import list_checkpoints, list_states, load_tensors, read_metadata, save_tensors
from mi.store.layout import VariantPaths
from mi.store.lock import variant_lock
from mi.store.losses import LossHistory
from mi.training import MismatchError, TrainingInterrupted, densify, read_record, train, variant_state

LENGTH: dict[str, Any] = {"epochs": 40, "schedule": "0:40:8"}


@pytest.fixture
def finished(declare) -> Variant:
    variant = declare()
    train(variant, **LENGTH)
    return variant


@pytest.fixture
def dense(declare, contents, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a training leaves that kept every epoch from the start."""
    variant = declare()
    folder = tmp_path_factory.mktemp("dense") / variant.name
    elsewhere = Variant(
        workspace=variant.workspace, family=variant.family, parameters=variant.parameters, folder=folder
    )
    train(elsewhere, epochs=40, schedule="0:40:1")
    return contents(elsewhere)


def _epochs(variant: Variant) -> list[int]:
    return [one.epoch for one in list_checkpoints(VariantPaths(variant.folder))]


def _of(kind: str, found: dict[str, Any]) -> dict[str, Any]:
    return {name: data for name, data in found.items() if name.startswith(kind)}


@pytest.mark.parametrize(
    ("window", "added", "trained", "verified"),
    [
        ("10:30:4", [10, 14, 18, 22, 26, 30], 22, 3),
        ("20", [20], 4, 1),
        ("16:18:1", [17, 18], 2, 1),
        ("3,38:40:1", [3, 38, 39], 16, 4),  # proved by epoch 8, then on from 32; 40 was wanted and there
        ("::1", [e for e in range(41) if e % 8], 40, 6),
    ],
)
def test_new_checkpoints_are_those_of_a_denser_schedule_to_the_bit(
    finished: Variant,
    contents,
    dense: dict[str, Any],
    window: str,
    added: list[int],
    trained: int,
    verified: int,
) -> None:
    before = contents(finished)
    summary = densify(finished, window)
    assert (list(summary.added), summary.trained, summary.verified) == (added, trained, verified)
    after = contents(finished)
    assert _epochs(finished) == sorted({*range(0, 41, 8), *added})
    assert all(data == dense[name] for name, data in _of("checkpoints", after).items())
    # Nothing that was there has changed, losses and states included.
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + len(added)
    assert summary.checkpoints == len(_epochs(finished))
    assert summary.notes == ()


def test_it_never_starts_from_zero_where_a_state_is_nearer(
    finished: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = []
    task = finished.code.training("cpu")
    one_pass = task.training_pass

    def noted(weights, epoch: int, generator):
        passed.append(epoch)
        return one_pass(weights, epoch, generator)

    object.__setattr__(task, "training_pass", noted)
    monkeypatch.setattr(type(finished.code), "training", lambda self, device: task)
    densify(finished, "26:30:2")
    assert passed == [24, 25, 26, 27, 28, 29, 30]


def test_metadata_and_log_tell_what_was_densified(finished: Variant) -> None:
    paths = VariantPaths(finished.folder)
    densify(finished, "10:14:2")
    densify(finished, "33")
    record = read_record(paths)
    assert record is not None
    assert [(one.window, one.added, one.start) for one in record.densified] == [
        ("10:14:2", [10, 12, 14], 8),
        ("33", [33], 32),
    ]
    first = record.densified[0]
    assert (first.device, first.threads) == ("cpu", 1)
    assert first.versions["torch"] == torch.__version__
    assert first.started <= first.ended
    assert record.status == "trained" and variant_state(paths) == "trained"
    assert '"densified"' in paths.log.read_text()


def test_what_is_there_already_is_said_and_nothing_trained(finished: Variant) -> None:
    said: list[str] = []
    summary = densify(finished, "8:24:8", say=said.append)
    assert said == ["lines/seed0 has every checkpoint of 8:24:8 already"]
    assert (summary.added, summary.trained) == ((), 0)
    record = read_record(VariantPaths(finished.folder))
    assert record is not None and record.densified == []


@pytest.mark.parametrize("how", ["checkpoint", "loss"])
def test_a_mismatch_names_its_epoch_and_replaces_nothing(finished: Variant, contents, how: str) -> None:
    paths = VariantPaths(finished.folder)
    if how == "checkpoint":
        tensors = load_tensors(paths.checkpoint(16))
        tensors["offset"][1] = torch.nextafter(tensors["offset"][1], torch.tensor(9.0))
        save_tensors(paths.checkpoint(16), tensors, read_metadata(paths.checkpoint(16)))
        said = r"epoch 16 did not come out as it was: the checkpoint differs in 1 of 3 values of offset"
    else:
        losses = LossHistory(paths, ("train_loss", "test_loss"), 40)
        losses.values["train_loss"][13] = np.nextafter(losses.values["train_loss"][13], 1)
        losses.save()
        said = r"epoch 13 did not come out as it was: train loss is [\d.e-]+ and was [\d.e-]+"
    before = contents(finished)
    with pytest.raises(MismatchError, match=said) as stop:
        densify(finished, "9:30:1")
    assert "trained again from the state of epoch 8" in str(stop.value)
    assert "nothing was replaced" in str(stop.value)
    assert contents(finished) == before


def test_losses_prove_epochs_that_no_checkpoint_follows(finished: Variant) -> None:
    paths = VariantPaths(finished.folder)
    losses = LossHistory(paths, ("train_loss", "test_loss"), 40)
    losses.values["test_loss"][11] = 1.0
    losses.save()
    with pytest.raises(MismatchError, match=r"epoch 11 .*: test loss is"):
        densify(finished, "9:11:1")
    assert _epochs(finished) == list(range(0, 41, 8))  # 9 and 10 came out, yet the window is not proved
    densify(finished, "9:10:1")
    assert _epochs(finished) == [0, 8, 9, 10, 16, 24, 32, 40]


def test_a_damaged_checkpoint_on_the_way_is_named(finished: Variant) -> None:
    path = VariantPaths(finished.folder).checkpoint(16)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match=path.name):
        densify(finished, "10:20:2")
    assert 10 not in _epochs(finished)


def test_a_damaged_state_falls_back_to_the_one_before(finished: Variant, dense: dict[str, Any]) -> None:
    paths = VariantPaths(finished.folder)
    paths.state(16).write_bytes(b"no state")
    summary = densify(finished, "20")
    assert re.search(r"e00000016.*going back to the state before it", summary.notes[0])
    assert (summary.trained, summary.verified) == (12, 2)
    assert paths.checkpoint(20).read_bytes() == dense[f"checkpoints/{paths.checkpoint(20).name}"]


@pytest.mark.parametrize(
    ("states", "window", "sentence"),
    [
        (
            "last",
            "20",
            r"before epoch 20 \(the first is of epoch 40, the last of 40\); densify from 40",
        ),
        (None, "4:9:1", r"at or before epoch 4 \(the first is of epoch 16, .*densify from 16 on, or train"),
        ("none", "20", r"at or before epoch 20 \(there is none\); Train a variant with --states all"),
    ],
)
def test_without_a_state_before_the_window_it_says_which_there_are(
    declare, states: str | None, window: str, sentence: str
) -> None:
    variant = declare()
    train(variant, **LENGTH, states=None if states == "none" else states)
    for epoch, path in list_states(VariantPaths(variant.folder)).items():
        if states == "none" or (states is None and epoch < 16):  # epoch 0 counts only by its state
            path.unlink()
    with pytest.raises(StoreError, match=sentence):
        densify(variant, window)
    assert len(_epochs(variant)) == 6


def test_what_is_not_finished_is_refused(declare, monkeypatch: pytest.MonkeyPatch) -> None:
    variant = declare()
    with pytest.raises(StoreError, match="lines/seed0 is not trained"):
        densify(variant, "1")
    assert not variant.folder.exists() or not variant.exists
    monkeypatch.setattr("mi.training.run.MOVE_SECONDS", -1.0)
    with pytest.raises(TrainingInterrupted):
        train(variant, **LENGTH, progress=_ctrl_c_at(20))
    with pytest.raises(StoreError, match="is interrupted at epoch 20 of 40; --resume finishes it"):
        densify(variant, "1")


def test_another_writer_and_a_senseless_window_are_refused(finished: Variant) -> None:
    with pytest.raises(ParameterError, match="epochs '50:60:5' name no epoch from 0 to 40"):
        densify(finished, "50:60:5")
    with pytest.raises(
        ParameterError, match="window '50' lies past the last epoch of lines/seed0, which is 40"
    ):
        densify(finished, "50")
    with pytest.raises(ParameterError, match="epochs 'a:b'"):
        densify(finished, "a:b")
    with (
        variant_lock(VariantPaths(finished.folder), "analyzing"),
        pytest.raises(LockedError, match="another process is analyzing it"),
    ):
        densify(finished, "10")


def test_another_kind_of_device_is_refused_and_other_threads_are_said(finished: Variant) -> None:
    with pytest.raises(ParameterError, match="device is 'meta', but lines/seed0 was trained on 'cpu'"):
        densify(finished, "10", device="meta")
    summary = densify(finished, "10", threads=2)
    assert summary.notes[0].startswith("lines/seed0: threads was 1 and is 2, so the window may come out")
    assert torch.get_num_threads() == 1
    torch.set_num_threads(2)
    assert densify(finished, "11").notes == ()  # as many as it was trained with, by default


def _ctrl_c_at(epoch: int) -> Callable[..., None]:
    pressed = []

    def press(now: int, *_: object) -> None:
        if now >= epoch and not pressed:
            pressed.append(now)
            os.kill(os.getpid(), signal.SIGINT)

    return press


def test_ctrl_c_keeps_what_is_proved_and_the_same_call_goes_on(
    finished: Variant, contents, dense: dict[str, Any]
) -> None:
    with pytest.raises(TrainingInterrupted) as stop:
        densify(finished, "9:30:1", progress=_ctrl_c_at(20))
    assert stop.value.epoch == 20
    assert _epochs(finished) == [0, *range(8, 17), 24, 32, 40]
    summary = densify(finished, "9:30:1")
    assert list(summary.added) == [17, 18, 19, 20, 21, 22, 23, *range(25, 31)]
    found = contents(finished)
    assert all(data == dense[name] for name, data in _of("checkpoints", found).items())
    record = read_record(VariantPaths(finished.folder))
    assert record is not None
    (entry,) = record.densified
    assert entry.added == [e for e in range(9, 31) if e % 8] and entry.ended


def test_a_kill_leaves_proved_checkpoints_and_the_same_command_goes_on(
    start, declare, contents, tmp_path_factory: pytest.TempPathFactory
) -> None:
    variant = declare(pause=0.02)
    train(variant, epochs=24, schedule="0:24:8")
    before = contents(variant)
    paths = VariantPaths(variant.folder)
    command = ("--set", "pause=0.02", "--densify", "1:23:1")
    process = start(*command)
    deadline = time.monotonic() + 120
    while not (paths.retrained / paths.checkpoint(11).name).exists():  # 8 has proved those before
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert _epochs(variant)[:9] == list(range(9)) and 11 not in _epochs(variant)
    assert {name: data for name, data in contents(variant).items() if name in before} == before
    out, err = start(*command).communicate(timeout=120)
    assert re.match(r"lines/seed0_pause0\.02: 14 checkpoints added, 25 now; 15 epochs", out), err
    assert _epochs(variant) == list(range(25))
    assert not paths.retrained.exists()
    folder = tmp_path_factory.mktemp("dense") / variant.name
    elsewhere = Variant(
        workspace=variant.workspace, family=variant.family, parameters=variant.parameters, folder=folder
    )
    train(elsewhere, epochs=24, schedule="0:24:1")
    assert _of("checkpoints", contents(variant)) == _of("checkpoints", contents(elsewhere))


def test_densified_checkpoints_do_not_change_which_states_are_kept(declare) -> None:
    variant = declare()
    paths = VariantPaths(variant.folder)
    train(variant, epochs=24, schedule="0:60:4", states="every 2")
    assert list(list_states(paths)) == [0, 8, 16, 24]
    densify(variant, "1:7:1")
    train(variant, epochs=40, resume=True)
    assert list(list_states(paths)) == [0, 8, 16, 24, 32, 40]
    record = read_record(paths)
    assert record is not None and record.added == {1, 2, 3, 5, 6, 7}
