"""``kill -9`` of a training at any instant: what is visible is whole, the rerun ends as if undisturbed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from unbroken.net import Net, laid
from unbroken.order import unflushed
from unbroken.trainings import SCENARIOS, TrainingNet

net = laid(TrainingNet, SCENARIOS)


def test_killed_at_seeded_instants_it_ends_as_if_undisturbed(net: Net) -> None:
    net.kill_at_random(10, seed=1)


def test_a_checkpoint_comes_after_its_losses_and_its_state(net: Net) -> None:
    root = net.paths(net.place / "straight").root

    def vouches(path: str) -> str | None:
        return f"{root}/" if path.startswith(f"{root / 'checkpoints'}/") else None

    known = {
        str(root / name) for name in (".lock", ".writer.json", "log.jsonl")
    }  # which nobody's bits hang on
    late = [(at, [p for p in files if p not in known]) for at, files in unflushed(net.trace, vouches)]
    assert [(at, files) for at, files in late if files] == []
    changes = [change[-1] for change in net.trace if change[0] == "rename"]
    kept = [path for path in changes if vouches(path)]
    assert kept
    for path in kept:  # its state has its name before it has
        assert changes.index(path.replace("/checkpoints/", "/states/")) < changes.index(path)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_at_a_hundred_instants_it_ends_as_if_undisturbed(
    net: Net, record_property: Callable[[str, object], None]
) -> None:
    net.kill_at_random(100, seed=2)
    record_property("times", 100)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_around_every_change_it_ends_as_if_undisturbed(
    net: Net, record_property: Callable[[str, object], None]
) -> None:
    record_property("times", net.kill_around_every_change())
