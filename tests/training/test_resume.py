from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

import pytest
import torch

from mi.errors import ParameterError
from mi.store.checkpoints import list_checkpoints, list_states, load_tensors
from mi.store.layout import VariantPaths
from mi.training import TrainingInterrupted, read_record, train, variant_state

LENGTH = {"epochs": 40, "schedule": "0:40:8"}


def _ctrl_c_at(epoch: int) -> Callable[..., None]:
    """A progress callback that presses Ctrl-C, once, when training has come to ``epoch``."""
    pressed = []

    def press(now: int, *_: object) -> None:
        if now >= epoch and not pressed:
            pressed.append(now)
            os.kill(os.getpid(), signal.SIGINT)

    return press


@pytest.fixture
def undisturbed(declare, contents, tmp_path_factory) -> Callable[..., dict]:
    """What an undisturbed training of the variant leaves."""

    def leave(settings: dict[str, object] = LENGTH, **parameters: object) -> dict:
        from mi.domain.workspace import Variant

        variant = declare(**parameters)
        elsewhere = Variant(
            workspace=variant.workspace,
            family=variant.family,
            parameters=variant.parameters,
            folder=tmp_path_factory.mktemp("undisturbed") / variant.name,
        )
        train(elsewhere, **settings)
        return contents(elsewhere)

    return leave


@pytest.fixture
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress at every epoch, so that an interrupt can come at any."""
    monkeypatch.setattr("mi.training.run.MOVE_SECONDS", -1.0)


@pytest.mark.parametrize("epoch", [0, 8, 13, 39])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.usefixtures("every_epoch")
def test_interrupted_and_resumed_is_undisturbed_to_the_bit(
    declare, contents, undisturbed, epoch: int, optimizer: str
) -> None:
    variant = declare(optimizer=optimizer)
    paths = VariantPaths(variant.folder)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(TrainingInterrupted) as stop:
        train(variant, **LENGTH, progress=_ctrl_c_at(epoch))
    assert signal.getsignal(signal.SIGINT) is before
    assert stop.value.epoch == epoch
    assert isinstance(stop.value, KeyboardInterrupt)  # so that a notebook treats it as one
    assert variant_state(paths) == f"interrupted at {epoch}"
    assert max(list_states(paths)) == epoch
    assert [c.epoch for c in list_checkpoints(paths)] == list(range(0, epoch + 1, 8))
    summary = train(variant, resume=True)
    assert summary.start == epoch
    assert summary.notes == ()
    assert contents(variant) == undisturbed(optimizer=optimizer)


@pytest.mark.usefixtures("every_epoch")
def test_interrupted_twice_is_undisturbed_too(declare, contents, undisturbed) -> None:
    variant = declare()
    for epoch in (11, 30):
        with pytest.raises(TrainingInterrupted):
            train(variant, **LENGTH, resume=epoch > 11, progress=_ctrl_c_at(epoch))
    train(variant, resume=True)
    assert contents(variant) == undisturbed()


@pytest.mark.usefixtures("every_epoch")
def test_a_second_ctrl_c_stops_at_once_and_loses_nothing_kept(declare, contents, undisturbed) -> None:
    variant = declare()

    def press(now: int, *_: object) -> None:
        if now == 13:
            waiting = signal.getsignal(signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            while signal.getsignal(signal.SIGINT) is waiting:  # two signals at once would be one
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)  # the second one ends this

    with pytest.raises(KeyboardInterrupt) as stop:
        train(variant, **LENGTH, progress=press)
    assert not isinstance(stop.value, TrainingInterrupted)
    assert variant_state(VariantPaths(variant.folder)) == "interrupted at 8"
    train(variant, resume=True)
    assert contents(variant) == undisturbed()


def test_training_longer_equals_training_long_at_once(declare, contents, undisturbed) -> None:
    variant = declare()
    train(variant, epochs=24, schedule="0:40:8")
    summary = train(variant, epochs=40, resume=True)
    assert (summary.start, summary.reached) == (24, 40)
    assert contents(variant) == undisturbed()


def test_training_longer_keeps_the_former_last_checkpoint_and_its_state(declare) -> None:
    variant = declare()
    train(variant, epochs=10, schedule="0:40:8")
    train(variant, epochs=20, resume=True)
    paths = VariantPaths(variant.folder)
    assert [c.epoch for c in list_checkpoints(paths)] == [0, 8, 10, 16, 20]
    assert list(list_states(paths)) == [0, 8, 10, 16, 20]


def test_resuming_what_is_finished_does_nothing_and_says_so(declare, contents) -> None:
    variant = declare()
    first = train(variant, **LENGTH)
    before = contents(variant)
    said: list[str] = []
    summary = train(variant, **LENGTH, resume=True, say=said.append)
    assert (summary.start, summary.reached, summary.checkpoints) == (40, 40, 6)
    assert summary.metrics == first.metrics
    assert said == ["lines/seed0 is trained already; --epochs trains it longer"]
    assert contents(variant) == before


def test_resuming_what_does_not_exist_begins_it(declare, contents, undisturbed) -> None:
    variant = declare()
    assert train(variant, **LENGTH, resume=True).start == 0
    assert contents(variant) == undisturbed()


def test_a_shorter_length_than_reached_is_refused(declare) -> None:
    variant = declare()
    train(variant, epochs=10)
    with pytest.raises(ParameterError, match="epochs is 6, but lines/seed0 is trained to epoch 10 already"):
        train(variant, epochs=6, resume=True)


def test_settings_stay_as_they_were(declare) -> None:
    variant = declare()
    train(variant, epochs=6, schedule="0:40:3", states="last", evaluate_every=4)
    train(variant, epochs=12, resume=True)
    record = read_record(VariantPaths(variant.folder))
    assert record is not None
    assert (record.schedule, record.states, record.evaluate_every) == ("0:40:3", "last", 4)
    assert list(list_states(VariantPaths(variant.folder))) == [12]


@pytest.mark.parametrize("damage", ["truncated", "foreign", "shape", "groups"])
@pytest.mark.usefixtures("every_epoch")
def test_a_damaged_state_falls_back_to_the_one_before(declare, contents, undisturbed, damage: str) -> None:
    variant = declare()
    paths = VariantPaths(variant.folder)
    with pytest.raises(TrainingInterrupted):
        train(variant, **LENGTH, progress=_ctrl_c_at(20))
    _damage(paths, 20, damage)
    said: list[str] = []
    summary = train(variant, resume=True, say=said.append)
    assert summary.start == 16
    assert "20" in said[0]
    assert said[0].endswith("going back to the state before it")
    assert said[1] == "lines/seed0: epochs after 16 are trained again"
    assert list(summary.notes) == said
    assert contents(variant) == undisturbed()


def _damage(paths: VariantPaths, epoch: int, how: str) -> None:
    from safetensors.torch import save_file

    from mi.store.checkpoints import read_metadata

    path = paths.state(epoch)
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-10])
        return
    tensors, metadata = load_tensors(path), read_metadata(path)
    if how == "foreign":
        metadata["format"] = "something else"
    elif how == "shape":
        tensors["weights.offset"] = torch.zeros(4)
    else:
        metadata["groups"] = json.dumps([])
    save_file(tensors, path, metadata)


@pytest.mark.usefixtures("every_epoch")
def test_without_a_usable_state_it_starts_again(declare, contents, undisturbed) -> None:
    variant = declare()
    paths = VariantPaths(variant.folder)
    with pytest.raises(TrainingInterrupted):
        train(variant, **LENGTH, progress=_ctrl_c_at(20))
    for epoch in list_states(paths):
        _damage(paths, epoch, "truncated")
    summary = train(variant, resume=True)
    assert summary.start == 0
    assert summary.notes[-1] == "lines/seed0: epochs after 0 are trained again"
    assert contents(variant) == undisturbed()


@pytest.mark.usefixtures("every_epoch")
def test_a_kill_between_state_and_checkpoint_is_made_good(declare, contents, undisturbed) -> None:
    variant = declare()
    paths = VariantPaths(variant.folder)
    with pytest.raises(TrainingInterrupted):
        train(variant, **LENGTH, progress=_ctrl_c_at(16))
    paths.checkpoint(16).unlink()
    partial = paths.checkpoints / f".{paths.checkpoint(16).name}.xyz.partial"
    partial.write_bytes(b"half")
    train(variant, resume=True)
    assert contents(variant) == undisturbed()  # and so the partial file is gone


@pytest.mark.usefixtures("every_epoch")
def test_another_number_of_threads_is_said(declare) -> None:
    variant = declare()
    with pytest.raises(TrainingInterrupted):
        train(variant, **LENGTH, progress=_ctrl_c_at(20))
    torch.set_num_threads(2)
    summary = train(variant, resume=True)
    assert summary.notes == ("lines/seed0: threads was 1 and is 2, so the bits may differ from here on",)
