"""``kill -9`` of an analysis at any instant: what is visible is whole, the rerun ends as if undisturbed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from unbroken.analyses import SCENARIOS, AnalysisNet
from unbroken.net import Net, laid
from unbroken.order import unflushed

OWN = {
    "a first analysis": [".hooks.json"],  # which asks the model for its hooks; later ones know them
    "checkpoints added to what is packed": ["artifacts.zarr"],
    "a packing": ["artifacts.zarr.zip"],
}

net = laid(AnalysisNet, SCENARIOS)


def test_killed_at_seeded_instants_it_ends_as_if_undisturbed(net: Net) -> None:
    net.kill_at_random(3, seed=1)


def test_killed_before_a_file_of_the_variants_own_is_in_place_it_ends_as_if_undisturbed(net: Net) -> None:
    own = net.own()
    assert sorted(own.values()) == OWN.get(net.scenario.name, [])
    for at in own:
        net.kill(at)


def test_a_commit_record_comes_after_everything_that_it_vouches_for(net: Net) -> None:
    root = net.paths(net.place / "straight").root

    def vouches(path: str) -> str | None:
        for records, held in (("commits", "artifacts.zarr"), ("activations.commits", "activations.zarr")):
            if path.startswith(f"{root / records}/"):
                return f"{root / held}/{Path(path).parent.relative_to(root / records)}/"
        return str(root / "artifacts.zarr.zip") if path.endswith(".zip") else None

    assert unflushed(net.trace, vouches) == []
    told = [change[2] for change in net.trace if change[0] == "rename" and vouches(change[2])]
    assert told or "cleaning" in net.scenario.name  # which takes things out alone


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_at_thirty_instants_it_ends_as_if_undisturbed(
    net: Net, record_property: Callable[[str, object], None]
) -> None:
    net.kill_at_random(30, seed=2)
    record_property("times", 30)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_around_every_change_it_ends_as_if_undisturbed(
    net: Net, record_property: Callable[[str, object], None]
) -> None:
    record_property("times", net.kill_around_every_change())
