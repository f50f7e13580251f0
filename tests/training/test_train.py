from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mi.errors import LockedError, MiError, ParameterError, StoreError
from mi.store.checkpoints import list_checkpoints, list_states, load_tensors, read_metadata
from mi.store.layout import VariantPaths
from mi.store.lock import variant_lock
from mi.store.losses import open_losses
from mi.training import DivergedError, read_record, train, variant_state


def test_checkpoints_at_the_schedule_with_the_initialization_and_the_last(declare) -> None:
    variant = declare()
    summary = train(variant, epochs=12, schedule="4:8:2")
    paths = VariantPaths(variant.folder)
    assert [c.epoch for c in list_checkpoints(paths)] == [0, 4, 6, 8, 12]
    assert list(list_states(paths)) == [0, 4, 6, 8, 12]
    assert (summary.start, summary.reached, summary.checkpoints) == (0, 12, 5)
    assert summary.variant == "lines/seed0"
    first = load_tensors(paths.checkpoint(0))
    for name, tensor in variant.code.training("cpu").weights.items():
        assert torch.equal(first[name], tensor)
    assert read_metadata(paths.checkpoint(4))["epoch"] == "4"


def test_length_and_schedule_are_the_familys_by_default(declare) -> None:
    variant = declare()
    train(variant)
    assert [c.epoch for c in list_checkpoints(VariantPaths(variant.folder))] == [0, 5, 10, 15, 20]


def test_epoch_e_is_after_e_steps_and_losses_belong_to_those_weights(declare) -> None:
    variant = declare(seed=3)
    train(variant, epochs=7, schedule="0:7:1")
    paths, task = VariantPaths(variant.folder), variant.code.training("cpu")
    optimizer = task.optimizer(list(task.weights.values()))
    generator = torch.Generator().manual_seed(task.generator_seed)
    train_loss, test_loss = [], []
    for epoch in range(8):  # the plainest loop there is
        stored = load_tensors(paths.checkpoint(epoch))
        assert all(torch.equal(stored[name], w) for name, w in task.weights.items()), epoch
        loss = task.training_pass(task.weights, epoch, generator).loss
        train_loss.append(loss.item())
        test_loss.append(task.evaluate(task.weights)["test_loss"].item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    losses = open_losses(paths)
    assert losses.train_loss.values.tolist() == train_loss
    assert losses.test_loss.values.tolist() == test_loss


def test_evaluation_has_its_own_cadence_and_checkpoints_are_always_evaluated(declare) -> None:
    variant = declare()
    train(variant, epochs=12, schedule="5", evaluate_every=4)
    losses = open_losses(VariantPaths(variant.folder))
    assert losses.test_loss.dropna("epoch").epoch.values.tolist() == [0, 4, 5, 8, 12]
    assert not losses.train_loss.isnull().any()


@pytest.mark.parametrize(
    ("states", "kept"),
    [("all", [0, 2, 4, 6, 8, 9]), ("every 2", [0, 4, 8, 9]), ("every 4", [0, 8, 9]), ("last", [9])],
)
def test_states_can_be_thinned(declare, states: str, kept: list[int]) -> None:
    variant = declare()
    train(variant, epochs=9, schedule="0:9:2", states=states)
    paths = VariantPaths(variant.folder)
    assert list(list_states(paths)) == kept
    assert [c.epoch for c in list_checkpoints(paths)] == [0, 2, 4, 6, 8, 9]


def test_metadata_and_log_say_what_was_done(declare) -> None:
    variant = declare()
    train(variant, epochs=4, schedule="2", states="last", evaluate_every=2)
    paths = VariantPaths(variant.folder)
    record = json.loads(paths.metadata.read_text())
    assert record["schema"] == 1
    assert (record["status"], record["epochs"], record["reached"]) == ("trained", 4, 4)
    assert (record["schedule"], record["states"], record["evaluate_every"]) == ("2", "last", 2)
    assert (record["device"], record["dtype"], record["threads"]) == ("cpu", "float32", 1)
    assert record["versions"]["torch"] == torch.__version__
    assert record["versions"]["mi-lines"] == "1.0"
    assert record["started"] <= record["ended"]
    log = [json.loads(line) for line in paths.log.read_text().splitlines()]
    assert [(entry["event"], entry["epoch"]) for entry in log] == [("begun", 0), ("trained", 4)]
    assert json.loads(paths.config.read_text())["parameters"] == dict(variant.parameters)


def test_progress_ends_at_the_last_epoch_with_the_latest_metrics(declare) -> None:
    seen = []
    summary = train(declare(), epochs=6, progress=lambda *now: seen.append((now[0], now[1], dict(now[2]))))
    assert [epoch for epoch, _, _ in seen] == sorted(epoch for epoch, _, _ in seen)
    assert seen[-1] == (6, 6, dict(summary.metrics))


def test_a_training_of_no_epochs_keeps_the_initialization(declare) -> None:
    variant = declare()
    assert train(variant, epochs=0).checkpoints == 1
    assert open_losses(VariantPaths(variant.folder)).sizes["epoch"] == 1
    assert variant_state(VariantPaths(variant.folder)) == "trained"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"epochs": -1}, "epochs is -1, expected a whole number of at least 0"),
        ({"evaluate_every": 0}, "evaluate_every is 0, expected a whole number of at least 1"),
        ({"states": "every 0"}, "states is 'every 0', expected 'all', 'every N' or 'last'"),
        ({"schedule": "0:9:0"}, "epochs '0:9:0': expected an epoch or START:STOP:STEP"),
        ({"device": "abacus"}, "device is 'abacus', which cannot be used here"),
    ],
)
def test_settings_that_mean_nothing_are_refused_before_anything_is_written(
    declare, settings: dict[str, object], sentence: str
) -> None:
    variant = declare()
    with pytest.raises(ParameterError) as refusal:
        train(variant, **settings)
    assert str(refusal.value).startswith(sentence)
    assert not variant.folder.exists()


def test_what_exists_is_not_overwritten(declare, contents) -> None:
    variant = declare()
    train(variant, epochs=3)
    before = contents(variant)
    with pytest.raises(StoreError, match=r"exists \(trained to epoch 3\); continue it with --resume"):
        train(variant, epochs=5)
    assert contents(variant) == before


def test_checkpoints_from_elsewhere_are_not_overwritten(declare) -> None:
    variant = declare()
    path = VariantPaths(variant.folder).checkpoint(0)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"precious")
    with pytest.raises(StoreError, match="has checkpoints that were not trained here"):
        train(variant, epochs=5)
    assert path.read_bytes() == b"precious"


def test_a_variant_that_another_process_writes_is_left_alone(declare) -> None:
    variant = declare()
    with variant_lock(VariantPaths(variant.folder)), pytest.raises(LockedError, match="another process"):
        train(variant, epochs=2)
    assert not variant.exists


def test_a_results_folder_that_cannot_be_written_is_a_sentence(declare) -> None:
    variant = declare()
    results = variant.workspace.root / "results"
    results.write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        train(variant, epochs=2)
    assert results.read_text() == "in the way"


def test_a_loss_that_is_no_number_stops_with_the_checkpoints_standing(declare) -> None:
    variant = declare(optimizer="sgd", learning_rate=1e4)
    with pytest.raises(DivergedError) as stop:
        train(variant, epochs=400, schedule="0:400:1")
    paths = VariantPaths(variant.folder)
    record = read_record(paths)
    assert record is not None
    assert record.status == "stopped"
    assert record.reason == str(stop.value)
    kept = list_checkpoints(paths)
    assert 0 < kept[-1].epoch < 400
    assert f"checkpoints up to epoch {kept[-1].epoch} stand" in str(stop.value)
    assert variant_state(paths) == f"stopped at {kept[-1].epoch}"
    losses = open_losses(paths)
    assert np.isfinite(losses.train_loss.values).all()
    assert losses.sizes["epoch"] == kept[-1].epoch + 1
    assert isinstance(stop.value, MiError)
    with pytest.raises(DivergedError):  # it can be tried again, and comes to the same end
        train(variant, resume=True)
    assert list_checkpoints(paths) == kept


def test_states_in_words(declare) -> None:
    variant = declare()
    paths = VariantPaths(variant.folder)
    assert variant_state(paths) == "declared"
    said = []
    train(variant, epochs=4, schedule="0:4:1", progress=lambda *_: said.append(_elsewhere(paths)))
    # Progress is told before its checkpoint is on disk, so each state is of the checkpoint before.
    assert said == ["training 0 %", "training 0 %", "training 25 %", "training 50 %", "training 75 %"]
    assert variant_state(paths) == "trained"


def _elsewhere(paths: VariantPaths) -> str:
    """The state as another process sees it: a lock is held against others, not against its owner."""
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from mi.training import variant_state\n"
        "from mi.store.layout import VariantPaths; print(variant_state(VariantPaths(Path(sys.argv[1]))))\n"
        "assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(paths.root)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_killed_training_reads_as_interrupted(declare) -> None:
    variant = declare()
    paths = VariantPaths(variant.folder)
    train(variant, epochs=10, schedule="5")
    record = json.loads(paths.metadata.read_text())
    paths.metadata.write_text(json.dumps({**record, "status": "training", "reached": 5}))
    assert variant_state(paths) == "interrupted at 5"


def test_a_malformed_record_names_file_and_field(declare, tmp_path: Path) -> None:
    variant = declare()
    train(variant, epochs=1)
    paths = VariantPaths(variant.folder)
    record = json.loads(paths.metadata.read_text())
    paths.metadata.write_text(json.dumps({**record, "reached": "far"}))
    with pytest.raises(MiError, match=r"metadata\.json: reached is 'far', expected a whole number"):
        variant_state(paths)
